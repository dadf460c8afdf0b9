import { describe, expect, it } from 'vitest';
import { makeNode } from '../../../../../src/core/ir/build.ts';
import { layerOverrideParams, layerOverrides } from '../../../../../src/core/quant/support/layer-overrides.ts';
import { step } from '../../../../../src/core/quant/weight-only-rtn.ts';
import { parseRecipe } from '../../../../../src/core/recipe/parse.ts';
import { applyStep, nodesOfType } from './bench.ts';
import { chainModel } from './models.ts';

const node = (name: string) => makeNode({ opType: 'MatMul', name, inputs: ['x', 'w'], outputs: ['y'] });

describe('overrides of single layers', () => {
  it('are patterns and choices, of which the last that fits counts', () => {
    const choose = layerOverrides(['*=2', '/h.1/*=8', '*/c_proj/*=keep', '/h.1/mlp/c_proj/MatMul = 3']);
    expect(choose(node('/h.0/attn'))).toBe(2);
    expect(choose(node('/h.1/attn'))).toBe(8);
    expect(choose(node('/h.0/mlp/c_proj/MatMul'))).toBe('keep');
    expect(choose(node('/h.1/mlp/c_proj/MatMul'))).toBe(3);
    expect(layerOverrides(['a=4'])(node('b'))).toBeUndefined();
  });

  it('divide at the last equals sign, because names may hold one', () => {
    expect(layerOverrides(['a=b=4'])(node('a=b'))).toBe(4);
  });

  it('are refused with what was given and what is wanted', () => {
    const schema = layerOverrideParams.overrides;
    expect(schema.parse(undefined)).toEqual([]);
    for (const bad of ['', 'x', '=4', 'x=', 'x=5', 'x=04', 'x=keep it', 'x:4', 'x=4.0']) {
      const result = schema.safeParse(['ok=4', bad]);
      expect(result.success, bad).toBe(false);
      const [issue] = result.error!.issues;
      expect(issue!.path).toEqual([1]);
      expect(issue!.message).toContain(`"${bad}" is no override`);
      expect(issue!.message).toContain('keep, 2, 3, 4, 8');
    }
  });

  it('are refused in recipes from links and the command line by path', () => {
    const result = parseRecipe({
      version: 1,
      name: 'r',
      steps: [{ id: 'weight-only-rtn', params: { overrides: ['head=16'] } }],
    });
    expect(result.ok).toBe(false);
    expect(JSON.stringify(result)).toContain('steps.0.params.overrides.0');
  });

  it('decide what a step does with a layer, before the settings for all', async () => {
    const source = chainModel(['a/0', 'a/1', 'a/2', 'last'], 32);
    const params = { bits: 4, keepLastLayer: true, overrides: ['a/*=8', 'a/1=keep', 'a/2=2', 'last=3'] };
    const { model, advisories, ledger } = await applyStep(step, source, params);
    expect(nodesOfType(model, 'MatMul').map(({ name }) => name)).toEqual(['a/1']);
    const bits = nodesOfType(model, 'MatMulNBits').map(({ name, attributes }) => [name, attributes.get('bits')]);
    expect(bits).toEqual([
      ['a/0_Q8', { type: 'int', value: 8n }],
      ['a/2_Q2', { type: 'int', value: 2n }],
      ['last_Q3', { type: 'int', value: 4n }],
    ]);
    expect(ledger[0]!.facts).toMatchObject({
      weights: [
        { weight: 'w0', nodes: ['a/0'], bits: 8, chosenBy: 'override' },
        { weight: 'w2', bits: 2 },
        // 32 codes in fields of 4 bits, a scale of 32 bits, a byte of zero points for one block of each column.
        { weight: 'w3', bits: 3, bitsPerWeight: 4 + 32 / 32 + 8 / 32 },
      ],
    });
    expect(advisories.map(({ code }) => code)).not.toContain('quant/pattern-matches-nothing');
    const check = step.check!(source, step.params.parse({ overrides: ['b/*=8', 'last=3', 'a/0=2'] }));
    expect(check.map(({ code }) => code)).toEqual([
      'quant/pattern-matches-nothing',
      'quant/two-bits',
      'quant/three-bits',
    ]);
    expect(check[0]!.message).toContain('"b/*"');
  });

  it('store a shared weight once for each width, and say so', async () => {
    const source = chainModel(['a', 'b', 'c'], 32, { shared: true });
    const same = await applyStep(step, source, {});
    expect(same.model.graph.initializers.size).toBe(3);
    expect(same.advisories.map(({ code }) => code)).not.toContain('quant/shared-weight-conflict');
    const { model, advisories } = await applyStep(step, source, { symmetric: true, overrides: ['b=8'] });
    expect([...model.graph.initializers.keys()].sort()).toEqual(['w0_Q4', 'w0_Q8', 'w0_scales', 'w0_scales_1']);
    expect(advisories.find(({ code }) => code === 'quant/shared-weight-conflict')!.message).toMatch(
      /"w0" .*4 and 8 bits.* 2 times/,
    );
  });
});
