import { describe, expect, it } from 'vitest';
import { apply, expectSameOutputs, feedsFor, fired, model, noise, opsOf } from './helpers.ts';

const id = 'weights-not-inputs';
const subject = (irVersion: number) =>
  model({
    inputs: { x: [2, 3], w: [3, 2] },
    outputs: ['y'],
    weights: { w: noise('w', [3, 2]) },
    nodes: ['y = MatMul(x, w)'],
    opset: 9,
    irVersion,
  });

describe('weights-not-inputs', () => {
  it('takes weights out of the inputs of IR version 3, and raises it to 4', async () => {
    const before = subject(3);
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(1);
    expect(after.model.graph.inputs.map(({ name }) => name)).toEqual(['x']);
    expect(after.model.irVersion).toBe(4);
    await expectSameOutputs(before, after.model, { feeds: await feedsFor(before) });
  });
  it('leaves overridable inputs of newer models, unless asked', async () => {
    expect(fired(await apply(subject(4), [id]), id)).toBe(0);
    const after = await apply(subject(4), [id], { params: { [id]: { overridable: true } } });
    expect(after.model.graph.inputs.map(({ name }) => name)).toEqual(['x']);
    expect(opsOf(after.model)).toEqual(['MatMul']);
  });
});
