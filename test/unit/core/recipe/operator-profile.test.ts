import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { forEachNode } from '../../../../src/core/ir/walk.ts';
import { applyRecipe } from '../../../../src/core/recipe/apply.ts';
import {
  forProvider,
  type OperatorProfile,
  operatorProfileOf,
  operatorProfiles,
  withOperatorProfile,
} from '../../../../src/core/recipe/operator-profile.ts';
import { canonicalRecipe } from '../../../../src/core/recipe/parse.ts';
import { findPreset } from '../../../../src/core/recipe/presets.ts';
import { stepRegistry } from '../../../../src/core/recipe/registry.ts';
import type { Recipe } from '../../../../src/core/recipe/schema.ts';
import { expectSameOutputs, memoryStore, model, noise, ortExecutor, scalar, tensor } from '../passes/helpers.ts';

const simplify = findPreset('simplify')!.recipe;
const canonical = (recipe: Recipe): Recipe => {
  const result = canonicalRecipe(recipe);
  if (!result.ok) throw result.error;
  return result.value;
};

/** A residual block with every pattern whose fusion may be an operator of onnxruntime. */
const subject = () =>
  model({
    inputs: { x: ['n', 4, 8] },
    outputs: ['y'],
    opset: 13,
    weights: {
      w: noise('w', [8, 8]),
      b: noise('b', [8]),
      g: tensor([8], [1, 2, 1, 2, 1, 2, 1, 2]),
      root: scalar(Math.SQRT2),
      one: scalar(1),
      half: scalar(0.5),
      two: scalar(2),
      eps: scalar(1e-5),
    },
    nodes: [
      'm = MatMul(x, w)',
      'a = Add(m, b)',
      'd = Div(a, root)',
      'e = Erf(d)',
      'f = Add(e, one)',
      'h = Mul(a, f)',
      'gelu = Mul(h, half)',
      'residual = Add(gelu, x)',
      'square = Pow(residual, two)',
      'mean = ReduceMean(square)',
      'sum = Add(mean, eps)',
      'sqrt = Sqrt(sum)',
      'normal = Div(residual, sqrt)',
      'scaled = Mul(normal, g)',
      's = Sigmoid(scaled)',
      'y = Mul(scaled, s)',
    ].map((text) => text),
  });

const built = async (recipe: Recipe) => {
  const given = subject();
  const mean = given.graph.nodes.find(({ opType }) => opType === 'ReduceMean')!;
  mean.attributes.set('axes', { type: 'ints', value: [-1n] });
  const applied = await applyRecipe({ model: given, recipe, job: quietJob, store: memoryStore, executor: ortExecutor });
  await expectSameOutputs(given, applied.model, { relative: 1e-4, floor: 1 });
  const ops = new Set<string>();
  forEachNode(applied.model, ({ domain, opType }) => void ops.add(domain === '' ? opType : `${domain}.${opType}`));
  return { ...applied, ops, opset: applied.model.opsetImports.get('') };
};

describe('operator profiles', () => {
  it('are read back as they were set, one after the other', () => {
    let recipe = simplify;
    for (const profile of [...operatorProfiles, ...[...operatorProfiles].reverse()]) {
      recipe = canonical(withOperatorProfile(recipe, profile));
      expect(operatorProfileOf(recipe)).toBe(profile);
    }
    expect(recipe).toEqual(canonical(simplify));
  });

  it('leave an opset that the user chose', () => {
    const own: Recipe = { ...simplify, steps: [{ id: 'raise-opset', params: { target: 18 } }, ...simplify.steps] };
    const there = withOperatorProfile(own, 'portable');
    expect(operatorProfileOf(there)).toBe('portable');
    expect(there.steps[0]).toEqual({ id: 'raise-opset', params: { target: 18 } });
  });

  it('are unknown where steps differ', () => {
    const steps = simplify.steps.map((step) =>
      step.id === 'fuse-gelu' ? { ...step, params: { operators: 'standard' } } : step,
    );
    expect(operatorProfileOf({ ...simplify, steps })).toBeUndefined();
  });

  const standard: [OperatorProfile, number | undefined, string[]][] = [
    ['portable', undefined, []],
    ['portable-17', 17, []],
    ['portable-20', 20, ['Gelu']],
    ['portable-23', 23, ['Gelu', 'RMSNormalization']],
  ];
  for (const [profile, opset, ops] of standard)
    it(`${profile}: no operator of another domain, ${ops.join(' and ') || 'nothing new'} fused`, async () => {
      const variant = await built(canonical(withOperatorProfile(simplify, profile)));
      expect([...variant.ops].filter((op) => op.includes('.') || op === 'SimplifiedLayerNormalization')).toEqual([]);
      if (opset !== undefined) expect(variant.opset).toBe(opset);
      for (const op of ops) expect(variant.ops).toContain(op);
      const isChanged = variant.ledger.some((row) => row.fired > 0);
      expect(variant.proof?.status).toBe(isChanged ? 'kept' : 'skipped');
    });

  it('onnxruntime: its own operators', async () => {
    const { ops } = await built(simplify);
    expect([...ops].some((op) => op.startsWith('com.microsoft.'))).toBe(true);
  });

  it('every step that is partial or worse somewhere because of its operator has the choice, or is left out there', () => {
    for (const provider of ['wasm', 'webgpu', 'webnn', 'cpu'] as const) {
      const { recipe, notes } = forProvider(canonical(simplify), provider);
      for (const { id, params } of recipe.steps) {
        const definition = stepRegistry.get(id)!;
        if (definition.section === 'fusion')
          expect(definition.runsOn(definition.params.parse(params))[provider].level, `${id} on ${provider}`).toBe(
            'full',
          );
      }
      if (provider === 'webnn') expect(notes.join(' ')).toContain('standard operators only');
      if (provider === 'wasm') expect(notes).toEqual([]);
    }
  });
});
