import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  amendHistory,
  COALESCE_MS,
  HISTORY_LIMIT,
  pushHistory,
  redo,
  startHistory,
  undo,
} from '../../../src/state/history.ts';

describe('history', () => {
  it('undoes and redoes in order, and a new edit forgets the future', () => {
    let history = pushHistory(pushHistory(startHistory('a'), 'b', null, 0), 'c', null, 1);
    history = undo(undo(history));
    expect(history.present).toBe('a');
    history = redo(history);
    expect(history.present).toBe('b');
    history = pushHistory(history, 'd', null, 2);
    expect(redo(history).present).toBe('d');
    expect(undo(history).present).toBe('b');
  });

  it('joins edits of one tag that follow closely, and only those', () => {
    let history = pushHistory(startHistory(0), 1, 'size', 1000);
    history = pushHistory(history, 2, 'size', 1000 + COALESCE_MS - 1);
    expect(undo(history).present).toBe(0);
    history = pushHistory(history, 3, 'other', 1000 + COALESCE_MS);
    expect(undo(history).present).toBe(2);
    history = pushHistory(history, 4, 'other', 1000 + 3 * COALESCE_MS);
    expect(undo(history).present).toBe(3);
  });

  it('does not join an edit to the one before an undo', () => {
    let history = pushHistory(pushHistory(startHistory(0), 1, 'size', 0), 2, null, 1);
    history = pushHistory(undo(history), 5, 'size', 2);
    expect(undo(history).present).toBe(1);
  });

  it('amends without a step', () => {
    const history = amendHistory(pushHistory(startHistory(0), 1, null, 0), 9);
    expect(history.present).toBe(9);
    expect(undo(history).present).toBe(0);
  });

  it('keeps no more than its limit', () => {
    let history = startHistory(0);
    for (let i = 1; i <= HISTORY_LIMIT + 20; i++) history = pushHistory(history, i, null, i);
    expect(history.past).toHaveLength(HISTORY_LIMIT);
  });

  it('comes back to the start whatever was done, and forward again to the end', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1 }), { maxLength: 60 }), (values) => {
        let history = startHistory(0);
        for (const [index, value] of values.entries()) history = pushHistory(history, value, null, index);
        const end = history.present;
        const steps = history.past.length;
        for (let i = 0; i < steps; i++) history = undo(history);
        expect(history.present).toBe(0);
        for (let i = 0; i < steps; i++) history = redo(history);
        expect(history.present).toBe(end);
      }),
    );
  });
});
