import { afterEach, describe, expect, test } from 'vitest';
import { studio } from '../../../src/state/store.ts';
import { rank } from '../../../src/ui/commands/rank.ts';
import { allCommands } from '../../../src/ui/commands/sources.ts';
import { shortcuts } from '../../../src/ui/keys.ts';

const named = (...names: string[]) => names.map((does) => ({ does, group: 'View' }));
const order = (query: string, ...names: string[]) => rank(named(...names), query).map(({ does }) => does);

describe('rank', () => {
  test('nothing typed leaves the list as it is', () => {
    expect(order('  ', 'b', 'a')).toEqual(['b', 'a']);
  });
  test('the start of the name, of a word, the inside of a word, in this order', () => {
    expect(order('gra', 'Paragraph', 'The graph', 'Graph', 'Pareto')).toEqual(['Graph', 'The graph', 'Paragraph']);
  });
  test('every word must be found, in any order', () => {
    expect(order('int8 add', 'Add variant: INT8', 'Add variant: FP16', 'INT8')).toEqual(['Add variant: INT8']);
  });
  test('names before hints and words that only describe', () => {
    const items = [
      { does: 'Hand over', group: 'Download', hint: 'for onnxruntime' },
      { does: 'Open onnx', group: 'Open' },
    ];
    expect(rank(items, 'onnx').map(({ does }) => does)).toEqual(['Open onnx', 'Hand over']);
  });
  test('letters in order find a name, unless they start in the middle of a word', () => {
    expect(order('sbs', 'Side by side', 'Obsolete basis')).toEqual(['Side by side']);
  });
  test('equal scores keep the order of the list, the shorter of two alike comes first', () => {
    expect(order('view', 'View bb', 'View aa')).toEqual(['View bb', 'View aa']);
    expect(order('view', 'View of it all', 'View')).toEqual(['View', 'View of it all']);
  });
});

describe('the table', () => {
  const press = (keys: readonly string[]) => {
    const key = keys.at(-1)!;
    return {
      key: key === 'Esc' ? 'Escape' : keys.includes('Ctrl') && !keys.includes('Shift') ? key.toLowerCase() : key,
      ctrlKey: keys.includes('Ctrl'),
      shiftKey: keys.includes('Shift'),
      metaKey: false,
      altKey: false,
    } as KeyboardEvent;
  };
  test('each shortcut answers to the keys it is listed with, and to no other’s', () => {
    for (const { keys, does } of shortcuts)
      expect(
        shortcuts.filter(({ matches }) => matches(press(keys))).map((found) => found.does),
        keys.join(' '),
      ).toEqual([does]);
  });
  afterEach(() => studio.setState({ theme: 'system' }));
  test('names are unique, and what cannot be done now comes last and says why', () => {
    const state = studio.getState();
    const commands = allCommands(state);
    const names = commands.map(({ does }) => does);
    expect(new Set(names).size).toBe(names.length);
    const reasons = commands.map(({ blocked }) => blocked?.(state) ?? null);
    expect(reasons.indexOf('Open a model first.')).toBeGreaterThan(0);
    expect(reasons.slice(reasons.findIndex((why) => why !== null))).not.toContain(null);
    for (const why of reasons) if (why !== null) expect(why).toMatch(/^[A-Z].*\.$/);
  });
  test('a command follows the state: the theme that is chosen cannot be chosen again', () => {
    const dark = () => {
      const state = studio.getState();
      return allCommands(state).find(({ does }) => does === 'Theme: dark')!.blocked!(state);
    };
    expect(dark()).toBeNull();
    studio.setState({ theme: 'dark' });
    expect(dark()).toBe('It is so already.');
  });
});
