import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ModelProfile, ProfileNode } from '../../../src/core/profile/types.ts';
import { recipeSchema } from '../../../src/core/recipe/schema.ts';
import { profileKey } from '../../../src/state/profile-slice.ts';
import { latencyShares } from '../../../src/state/profile-values.ts';
import type { StudioState } from '../../../src/state/store.ts';
import {
  isSelected,
  type NamedProfile,
  nodeRows,
  originText,
  profileCsv,
  selectedNames,
  timeSummary,
  warningsOf,
} from '../../../src/ui/profile/profile-data.ts';
import { decadeTicks, roofLines, roofScale } from '../../../src/ui/profile/roofline-data.ts';
import { squarify } from '../../../src/ui/profile/treemap-layout.ts';

function node(name: string, us: number, extra: Partial<ProfileNode> = {}): ProfileNode {
  const samplesUs = [us, us + 1, us - 1, us, us].map((value) => Math.max(0, value));
  return {
    id: name,
    name,
    opType: 'MatMul',
    family: 'matrix-product',
    provider: 'CPUExecutionProvider',
    origin: 'file',
    fileNodes: [name],
    fileValues: [`${name}_out`],
    calls: 1,
    onGpu: false,
    samplesUs,
    medianUs: us,
    p5Us: us,
    p95Us: us,
    share: us / 100,
    dispatchUs: null,
    macs: 1,
    flops: 2,
    bytes: 4,
    outputs: [],
    ...extra,
  };
}

function named(name: string, nodes: ProfileNode[], extra: Partial<ModelProfile> = {}): NamedProfile {
  const sumUs = nodes.reduce((sum, { medianUs }) => sum + medianUs, 0);
  const profile: ModelProfile = {
    nodes,
    runs: 5,
    runUs: { median: sumUs, p5: sumUs, p95: sumUs },
    sumUs,
    dispatchUs: null,
    hasGpuTimes: true,
    notRun: { absorbed: 0, untraced: 0 },
    unreadableLines: 0,
    lostEvents: 0,
    ...extra,
  };
  const latency = { runs: 5, medianMs: sumUs / 1000, p5Ms: 0, p95Ms: 0, minMs: 0, interleaved: true, samplesMs: [] };
  const engine = { name: 'onnxruntime-web', version: '1' };
  return {
    name,
    letter: name === 'Original' ? 'O' : 'A',
    value: { engine, threads: 1, graphOptimizationLevel: 'all', latency, profile },
  };
}

const original = named('Original', [node('layer1', 60), node('layer2', 40)]);
const variant = named('Small', [
  node('layer1_quant', 20, { opType: 'MatMulInteger' }),
  node('layer1_out_scaled_Mul', 5, { opType: 'Mul', family: 'elementwise' }),
  node('layer1_out_QuantizeLinear', 3, { opType: 'DynamicQuantizeLinear', family: 'quantization' }),
  node('layer2/MatMulAddFusion', 40, { opType: 'Gemm', origin: 'rewritten', fileNodes: ['layer2', 'bias'] }),
  node('Memcpy_1', 2, { opType: 'MemcpyToHost', family: 'other', origin: 'runtime', fileNodes: [], fileValues: [] }),
]);

describe('a profile beside another', () => {
  const rows = nodeRows([original, variant]);

  test('sets a layer against all that became of it, and loses nothing', () => {
    const layer = rows.find((row) => row.original?.name === 'layer1')!;
    expect(layer.variants.map(({ name }) => name)).toEqual(['layer1_quant', 'layer1_out_scaled_Mul']);
    expect(layer.variant!.medianUs).toBe(25);
    expect(rows.find((row) => row.original?.name === 'layer2')!.difference).toBe('within noise');
    const alone = rows.filter((row) => row.original === null).map(({ variants }) => variants[0]!.name);
    expect(alone.toSorted()).toEqual(['Memcpy_1', 'layer1_out_QuantizeLinear']);
    expect(rows.flatMap(({ variants }) => variants)).toHaveLength(variant.value.profile.nodes.length);
  });

  test('selects in both what belongs together', () => {
    const names = selectedNames([original, variant], 'layer1');
    const chosen = [original, variant].flatMap(({ value }) =>
      value.profile.nodes.filter((one) => isSelected(one, names)),
    );
    expect(chosen.map(({ name }) => name)).toEqual(['layer1', 'layer1_quant', 'layer1_out_scaled_Mul']);
    expect(selectedNames([original, variant], 'layer1_quant')).toEqual(names);
    expect(selectedNames([original, variant], null).size).toBe(0);
  });

  test('says in words what takes the time, and where a node comes from', () => {
    expect(timeSummary([original, variant])).toMatch(/^Original: MatMul takes 100\u202f% .* \(−30\u202f%\)\.$/);
    expect(originText(variant.value.profile.nodes[3]!)).toBe('made by onnxruntime from layer2 and 1 more');
    expect(originText(variant.value.profile.nodes[4]!)).toBe('made by onnxruntime');
    expect(profileCsv([original, variant]).trim().split('\r\n')).toHaveLength(1 + 2 + 5);
  });

  test('warns of what makes figures mean less', () => {
    expect(warningsOf([original, variant])).toEqual([]);
    const blind = named('Blind', [node('a', 1)], { hasGpuTimes: false, dispatchUs: 1 });
    expect(warningsOf([original, blind])).toEqual([expect.stringMatching(/^Blind: this GPU gives no timestamps/)]);
    const cut = named('Cut', [node('a', 1)], { lostEvents: 3 });
    expect(warningsOf([cut])).toEqual([expect.stringContaining('cut off')]);
    const held = named('Held', [node('a', 10)], { sumUs: 30 });
    expect(warningsOf([held])).toEqual([expect.stringContaining('held up')]);
  });

  test('is the graph view’s share of latency', () => {
    const recipes = [recipeSchema.parse({ name: 'a' }), recipeSchema.parse({ name: 'b', steps: [{ id: 'fp16' }] })];
    const task = { kind: 'random' as const, seed: 1, samples: 1, inputs: [] };
    const entry = (of: readonly NamedProfile[]) => ({
      keys: recipes.map((recipe) => profileKey(recipe, task)),
      run: {
        target: { provider: 'wasm' as const, threads: 0 },
        level: 'deployed' as const,
        measuredAt: '2030-01-01',
        outcomes: of.map(({ value }) => ({ value, error: null })),
      },
    });
    const state = {
      profiles: { 'b wasm deployed': entry([original, variant]) },
      history: { present: { ids: ['a', 'b'], study: { variants: recipes, task } } },
    } as unknown as StudioState;
    expect([...latencyShares(state, 'b')!.byNode]).toEqual([
      ['layer1_quant', 20],
      ['layer1_out_scaled_Mul', 5],
      ['layer1_out_QuantizeLinear', 3],
      ['layer2', 40],
    ]);
    expect([...latencyShares(state, 'a')!.byNode.keys()]).toEqual(['layer1', 'layer2']);
    expect(latencyShares(state, 'c')).toBeNull();
    // The recipe is another one now: its graph is not the one that was profiled.
    const edited = {
      ...state,
      history: { present: { ids: ['a', 'b'], study: { variants: [recipes[0], recipes[0]], task } } },
    };
    expect(latencyShares(edited as unknown as StudioState, 'b')).toBeNull();
    expect(latencyShares(edited as unknown as StudioState, 'a')).not.toBeNull();
  });
});

describe('the treemap’s layout', () => {
  test('fills its frame, in proportion, without overlaps', () => {
    const values = fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(
        values,
        fc.integer({ min: 10, max: 900 }),
        fc.integer({ min: 10, max: 500 }),
        (some, width, height) => {
          const sorted = some.toSorted((a, b) => b - a);
          const boxes = squarify(sorted, { x: 5, y: 7, width, height });
          const total = sorted.reduce((a, b) => a + b, 0);
          for (const [index, box] of boxes.entries()) {
            expect(box.width * box.height).toBeCloseTo((sorted[index]! / total) * width * height, 3);
            expect(box.x).toBeGreaterThanOrEqual(5 - 1e-6);
            expect(box.y).toBeGreaterThanOrEqual(7 - 1e-6);
            expect(box.x + box.width).toBeLessThanOrEqual(5 + width + 1e-6);
            expect(box.y + box.height).toBeLessThanOrEqual(7 + height + 1e-6);
          }
          for (const [index, a] of boxes.entries())
            for (const b of boxes.slice(index + 1)) {
              const across = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
              const down = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
              expect(Math.min(across, down)).toBeLessThan(1e-6);
            }
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('the roof', () => {
  const roof = {
    float32PerUs: 20_000,
    int8PerUs: 40_000,
    bytesPerUs: 5000,
    cachedBytesPerUs: 15_000,
    overheadUs: 3,
    isGpu: false,
  };

  test('rises with the bandwidth up to the peak', () => {
    const scale = roofScale([[]], roof);
    const lines = roofLines(roof, scale);
    expect(lines.map(({ label, dashed }) => [label, dashed])).toEqual([
      ['memory', false],
      ['float32', false],
      ['cache', true],
      ['int8', true],
    ]);
    const [memory, float32] = lines;
    expect(memory!.to).toEqual({ x: 4, y: 20 });
    expect(float32!.from).toEqual({ x: 4, y: 20 });
    expect(memory!.from.y / memory!.from.x).toBeCloseTo(5);
    expect(decadeTicks([0.01, 100])).toEqual([0.01, 0.1, 1, 10, 100]);
  });
});
