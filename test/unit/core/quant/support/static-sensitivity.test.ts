import { describe, expect, it } from 'vitest';
import { createRng } from '../../../../../src/core/base/rng.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../../src/core/ir/build.ts';
import { bytesOf } from '../../../../../src/core/ir/tensor.ts';
import type { CalibrationSource } from '../../../../../src/core/step/define.ts';
import type { StepsOutcome } from '../../../../../src/core/step/run-steps.ts';
import { countOps, runOnNode } from './bench.ts';
import { floatTensor } from './models.ts';
import { quantizeStatically } from './statically.ts';

const width = 32;
const rng = createRng('sensitivity');
const normal = (count: number, scale = 1) => Float32Array.from({ length: count }, () => rng.normal() * scale);

/** x -> good -> tanh -> bad -> tanh -> last; what `bad` reads has two columns sixty times as large as the others. */
const columns = Float32Array.from({ length: width }, (_, i) => (i < 2 ? 60 : 1));
const bad = normal(width * width, 0.2).map((value, i) => value / columns[Math.floor(i / width)]! ** 0.9);
const model = makeModel({
  graph: makeGraph({
    nodes: [
      makeNode({ opType: 'MatMul', name: 'good', inputs: ['x', 'w1'], outputs: ['a'] }),
      makeNode({ opType: 'Tanh', inputs: ['a'], outputs: ['b'] }),
      makeNode({ opType: 'Mul', name: 'spread', inputs: ['b', 'columns'], outputs: ['c'] }),
      makeNode({ opType: 'MatMul', name: 'bad', inputs: ['c', 'w2'], outputs: ['d'] }),
      makeNode({ opType: 'Tanh', inputs: ['d'], outputs: ['e'] }),
      makeNode({ opType: 'MatMul', name: 'last', inputs: ['e', 'w3'], outputs: ['y'] }),
    ],
    inputs: [valueInfo('x', 'float32', ['n', width])],
    outputs: [{ name: 'y' }],
    initializers: [
      floatTensor('w1', [width, width], normal(width * width, 0.2)),
      floatTensor('columns', [width], columns),
      floatTensor('w2', [width, width], bad),
      floatTensor('w3', [width, width], normal(width * width, 0.2)),
    ],
  }),
});

const samples = Array.from({ length: 20 }, () => normal(4 * width));
const source: CalibrationSource = {
  origin: 'calibration-split',
  async *feeds() {
    for (const values of samples)
      yield new Map([['x', { dtype: 'float32' as const, dims: [4, width], data: bytesOf(values) }]]);
  },
};

interface Sensitivity {
  goal: number;
  before: number;
  after: number;
  nodes: { node: string; sqnr: number; inputSqnr: number; left: boolean }[];
}
const factsOf = ({ ledger }: StepsOutcome) => ledger[0]!.facts!.sensitivity as unknown as Sensitivity;

const decibels = (reference: readonly number[], actual: readonly number[]) => {
  const energy = (values: readonly number[]) => values.reduce((sum, value) => sum + value * value, 0);
  return 10 * Math.log10(energy(reference) / energy(reference.map((value, i) => value - actual[i]!)));
};

/** Over the samples that the step measured with. */
async function measured(quantized: typeof model): Promise<number> {
  const [reference, actual]: [number[], number[]] = [[], []];
  for (const data of samples.slice(0, 16)) {
    const feeds = { x: { type: 'float32' as const, dims: [4, width], data } };
    reference.push(...(await runOnNode(model, feeds, 'disabled')).get('y')!);
    actual.push(...(await runOnNode(quantized, feeds, 'disabled')).get('y')!);
  }
  return decibels(reference, actual);
}

describe('sensitivity', () => {
  it('leaves the node whose input has outliers, says so, and the outputs keep what was asked for', async () => {
    const plain = await quantizeStatically(model, source, {}, false);
    const before = await measured(plain.model);
    const outcome = await quantizeStatically(model, source, { sensitivity: 'auto', minOutputSqnr: 28 }, false);
    const facts = factsOf(outcome);

    expect(facts.before).toBeCloseTo(before, 1);
    expect(before).toBeLessThan(28);
    expect(facts.nodes.filter(({ left }) => left).map(({ node }) => node)).toEqual(['bad']);
    const after = await measured(outcome.model);
    expect(after).toBeGreaterThan(28);
    expect(facts.after).toBeCloseTo(after, 1);
    expect(countOps(outcome.model)).toMatchObject({ MatMul: 3, QuantizeLinear: 2 });
    expect(outcome.advisories.find(({ code }) => code === 'quant/sensitive-left')!.message).toMatch(/outliers/);
  });

  it('ranks by what each node alone loses', async () => {
    const facts = factsOf(await quantizeStatically(model, source, { sensitivity: 'auto', minOutputSqnr: 28 }, false));
    // Against the same node quantized and all else left out by name.
    for (const { node, sqnr, inputSqnr } of facts.nodes) {
      expect(inputSqnr).toBeGreaterThan(sqnr);
      const output = { good: 'a', bad: 'd', last: 'y' }[node]!;
      const probed = { ...model, graph: { ...model.graph, outputs: [{ name: output }] } };
      const alone = await quantizeStatically(probed, source, { include: [node] }, false);
      const [reference, actual]: [number[], number[]] = [[], []];
      for (const data of samples.slice(0, 16)) {
        const feeds = { x: { type: 'float32' as const, dims: [4, width], data } };
        reference.push(...(await runOnNode(probed, feeds, 'disabled')).get(output)!);
        actual.push(...(await runOnNode(alone.model, feeds, 'disabled')).get(output)!);
      }
      expect(sqnr, node).toBeCloseTo(decibels(reference, actual), 1);
    }
  });

  it('leaves nothing where the outputs are close enough, and everything where they cannot be', async () => {
    const easy = await quantizeStatically(model, source, { sensitivity: 'auto', minOutputSqnr: 5 }, false);
    expect(factsOf(easy).nodes).toBeUndefined();
    expect(countOps(easy.model).QuantizeLinear).toBe(3);
    const hard = await quantizeStatically(model, source, { sensitivity: 'auto', minOutputSqnr: 60 }, false);
    expect(countOps(hard.model).QuantizeLinear).toBeUndefined();
    expect(hard.advisories.map(({ code, level }) => [code, level])).toContainEqual(['quant/sensitive-left', 'warning']);
  });
});
