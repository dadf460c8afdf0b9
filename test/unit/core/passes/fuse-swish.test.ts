import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import { stepRegistry } from '../../../../src/core/recipe/registry.ts';
import { apply, expectSameOutputs, fired, graph, model, node, opsOf, scalar, tensor } from './helpers.ts';

const id = 'fuse-swish';
type Parts = Parameters<typeof model>[0];
const swish = (nodes: Parts['nodes'], parts: Partial<Parts> = {}) =>
  model({ inputs: { x: ['n', 7] }, outputs: ['y'], weights: { k: scalar(1.702) }, nodes, ...parts });

async function fuses(before: Model, left = ['com.microsoft.QuickGelu'], relative = 1e-6): Promise<void> {
  const after = await apply(before, [id, 'eliminate-dead']);
  expect(opsOf(after.model)).toEqual(left);
  expect(after.model.opsetImports.get('com.microsoft')).toBe(1);
  await expectSameOutputs(before, after.model, { relative });
}

describe('fuse-swish', () => {
  it('x * Sigmoid(x)', () => fuses(swish(['s = Sigmoid(x)', 'y = Mul(x, s)'])));
  it('Sigmoid(x) * x at opset 9', () => fuses(swish(['s = Sigmoid(x)', 'y = Mul(s, x)'], { opset: 9 })));
  it('x * Sigmoid(k x)', () => fuses(swish(['t = Mul(x, k)', 's = Sigmoid(t)', 'y = Mul(x, s)'])));
  it('x * Sigmoid(x k)', () => fuses(swish(['t = Mul(k, x)', 's = Sigmoid(t)', 'y = Mul(s, x)'])));
  it('the activation of a value that others read too', () =>
    fuses(swish(['a = Exp(x)', 's = Sigmoid(a)', 'm = Mul(a, s)', 'y = Add(a, m)']), [
      'Exp',
      'com.microsoft.QuickGelu',
      'Add',
    ]));
  it('float16', () =>
    fuses(
      swish(['s = Sigmoid(x)', 'y = Mul(x, s)'], { inputs: { x: { dtype: 'float16', shape: [8] } } }),
      undefined,
      2e-3,
    ));
  it('in a subgraph', () =>
    fuses(
      swish(
        [
          node('y = If(c)', {
            then_branch: graph({ outputs: ['r'], nodes: ['s = Sigmoid(x)', 'r = Mul(x, s)'] }),
            else_branch: graph({ outputs: ['r'], nodes: ['r = Neg(x)'] }),
          }),
        ],
        { inputs: { x: [4], c: { dtype: 'bool', shape: [] } } },
      ),
      ['If'],
    ));

  const staying: [string, Model][] = [
    ['the gate of another value', swish(['s = Sigmoid(z)', 'y = Mul(x, s)'], { inputs: { x: [7], z: [7] } })],
    ['a gate read twice', swish(['s = Sigmoid(x)', 'y = Mul(x, s)', 'z = Exp(s)'], { outputs: ['y', 'z'] })],
    ['a gate that is returned', swish(['s = Sigmoid(x)', 'y = Mul(x, s)'], { outputs: ['y', 's'] })],
    [
      'a slope per element',
      swish(['t = Mul(x, k)', 's = Sigmoid(t)', 'y = Mul(x, s)'], {
        weights: { k: tensor([7], [1, 2, 3, 4, 5, 6, 7]) },
      }),
    ],
    [
      'a slope of higher rank',
      swish(['t = Mul(x, k)', 's = Sigmoid(t)', 'y = Mul(x, s)'], { weights: { k: tensor([1, 1, 1], [2]) } }),
    ],
    [
      'a slope that callers may override',
      swish(['t = Mul(x, k)', 's = Sigmoid(t)', 'y = Mul(x, s)'], { inputs: { x: [7], k: [] } }),
    ],
    ['the gate squared', swish(['s = Sigmoid(x)', 'y = Mul(s, s)'])],
    ['a sum', swish(['s = Sigmoid(x)', 'y = Add(x, s)'])],
  ];
  for (const [name, before] of staying)
    it(`leaves ${name}`, async () => expect(fired(await apply(before, [id]), id)).toBe(0));

  it('says that WebNN lacks the operator', () => {
    const support = stepRegistry.get(id)!.runsOn({ operators: 'any' });
    expect(support.webnn.level).toBe('partial');
    expect(support.webnn.reason).toContain('QuickGelu');
    expect(support.wasm.level).toBe('full');
    expect(stepRegistry.get(id)!.runsOn({ operators: 'standard' }).webnn.level).toBe('full');
  });
});
