import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, float, graph, model, node, opsOf, scalar } from './helpers.ts';

const id = 'fuse-hardswish';
type Parts = Parameters<typeof model>[0];

const weights = { three: scalar(3), zero: scalar(0), six: scalar(6), sixth: scalar(1 / 6) };
const swish = (nodes: Parts['nodes'], parts: Partial<Parts> = {}) =>
  model({ inputs: { x: ['n', 7] }, outputs: ['y'], weights, nodes, ...parts });

async function fuses(before: Model, left = ['HardSwish'], params = {}): Promise<Model> {
  const after = await apply(before, [id, 'eliminate-dead'], { params: { [id]: params } });
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model, { relative: 1e-6, seeds: 4 });
  return after.model;
}

const clip = ['a = Add(x, three)', 'c = Clip(a, zero, six)'];

describe('fuse-hardswish: what fuses', () => {
  const spellings: [string, Parts['nodes']][] = [
    ['(x * clip) / 6', [...clip, 'm = Mul(x, c)', 'y = Div(m, six)']],
    ['(clip * x) * (1/6)', [...clip, 'm = Mul(c, x)', 'y = Mul(sixth, m)']],
    ['x * (clip / 6)', [...clip, 'g = Div(c, six)', 'y = Mul(x, g)']],
    ['x * (clip * (1/6))', [...clip, 'g = Mul(c, sixth)', 'y = Mul(g, x)']],
    ['3 + x', ['a = Add(three, x)', 'c = Clip(a, zero, six)', 'm = Mul(x, c)', 'y = Div(m, six)']],
    ['Min(Max(..))', ['a = Add(x, three)', 'b = Max(a, zero)', 'c = Min(b, six)', 'm = Mul(x, c)', 'y = Div(m, six)']],
    ['Max(Min(..))', ['a = Add(x, three)', 'b = Min(six, a)', 'c = Max(zero, b)', 'm = Mul(x, c)', 'y = Div(m, six)']],
    ['x * HardSigmoid(x)', [node('h = HardSigmoid(x)', { alpha: float(1 / 6) }), 'y = Mul(x, h)']],
  ];
  for (const [name, nodes] of spellings) it(name, () => fuses(swish(nodes)).then(() => {}));

  const old = (opset: number) =>
    swish(
      ['a = Add(x, three)', node('c = Clip(a)', { min: float(0), max: float(6) }), 'm = Mul(x, c)', 'y = Div(m, six)'],
      { opset },
    );
  it('raises an older model', async () => expect((await fuses(old(9))).opsetImports.get('')).toBe(14));
  it('writes HardSigmoid and Mul where asked, at any opset', async () => {
    const after = await fuses(old(9), ['HardSigmoid', 'Mul'], { form: 'HardSigmoid and Mul' });
    expect(after.opsetImports.get('')).toBe(9);
  });
  it('falls back to that where the model cannot be raised', async () => {
    const before = swish([...(old(9).graph.nodes ?? []), node('z = Softmax(y)', { axis: 0 })], {
      opset: 9,
      outputs: ['z'],
    });
    await fuses(before, ['HardSigmoid', 'Mul', 'Softmax']);
  });
  it('two in a row, and in a subgraph', async () => {
    const branch = graph({ outputs: ['r'], nodes: [...clip, 'm = Mul(x, c)', 'r = Div(m, six)'] });
    await fuses(
      swish(
        [node('y = If(k)', { then_branch: branch, else_branch: graph({ outputs: ['r'], nodes: ['r = Neg(x)'] }) })],
        {
          inputs: { x: [3], k: { dtype: 'bool', shape: [] } },
        },
      ),
      ['If'],
    );
  });
  it('float16', async () => {
    const half = Object.fromEntries(
      Object.entries(weights).map(([name, { data }]) => [
        name,
        scalar(new Float32Array((data as { bytes: Uint8Array }).bytes.slice().buffer)[0]!, 'float16'),
      ]),
    );
    const before = swish([...clip, 'm = Mul(x, c)', 'y = Div(m, six)'], {
      inputs: { x: { dtype: 'float16', shape: [9] } },
      weights: half,
    });
    const after = await apply(before, [id, 'eliminate-dead']);
    expect(opsOf(after.model)).toEqual(['HardSwish']);
    await expectSameOutputs(before, after.model, { relative: 2e-3 });
  });
});

describe('fuse-hardswish: what stays', () => {
  const cases: [string, Model][] = [
    [
      'another shift',
      swish([...clip, 'm = Mul(x, c)', 'y = Div(m, six)'], { weights: { ...weights, three: scalar(2.5) } }),
    ],
    [
      'another bound',
      swish([...clip, 'm = Mul(x, c)', 'y = Div(m, six)'], { weights: { ...weights, zero: scalar(-1) } }),
    ],
    ['another divisor', swish([...clip, 'm = Mul(x, c)', 'y = Div(m, three)'])],
    ['no division', swish([...clip, 'y = Mul(x, c)'])],
    ['6 / product', swish([...clip, 'm = Mul(x, c)', 'y = Div(six, m)'])],
    [
      'the gate of another value',
      swish(['a = Add(z, three)', 'c = Clip(a, zero, six)', 'm = Mul(x, c)', 'y = Div(m, six)'], {
        inputs: { x: [7], z: [7] },
      }),
    ],
    ['a gate read twice', swish([...clip, 'm = Mul(x, c)', 'y = Div(m, six)', 'z = Exp(c)'], { outputs: ['y', 'z'] })],
    ['a sum that is returned', swish([...clip, 'm = Mul(x, c)', 'y = Div(m, six)'], { outputs: ['y', 'a'] })],
    [
      'a product read twice',
      swish([...clip, 'm = Mul(x, c)', 'y = Div(m, six)', 'z = Exp(m)'], { outputs: ['y', 'z'] }),
    ],
    ['a HardSigmoid of the default slope', swish(['h = HardSigmoid(x)', 'y = Mul(x, h)'])],
    [
      'a shift that callers may override',
      swish([...clip, 'm = Mul(x, c)', 'y = Div(m, six)'], { inputs: { x: [7], three: [] } }),
    ],
    ['the clip squared', swish([...clip, 'm = Mul(c, c)', 'y = Div(m, six)'])],
  ];
  for (const [name, before] of cases) it(name, async () => expect(fired(await apply(before, [id]), id)).toBe(0));
});
