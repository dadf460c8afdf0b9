import { describe, expect, it } from 'vitest';
import { attrInt, attrInts } from '../../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../../src/core/ir/build.ts';
import type { Model, Node } from '../../../../../src/core/ir/types.ts';
import { findLinearSites } from '../../../../../src/core/quant/support/linear-sites.ts';
import { kMixture, moreBits, usesMoreBits } from '../../../../../src/core/quant/support/mixture.ts';
import { openScopes } from '../../../../../src/core/quant/support/scopes.ts';
import { step } from '../../../../../src/core/quant/weight-only-rtn.ts';
import { applyStep } from './bench.ts';
import { chainModel, floatTensor, sampleValues } from './models.ts';

function rolesIn(model: Model): Record<string, string> {
  const roles = kMixture(findLinearSites(openScopes(model)).sites);
  return Object.fromEntries([...roles].map(([{ node }, role]) => [node.name, role]));
}

describe('which layers use more bits', () => {
  it('are the first and last eighth and every third between, as llama.cpp counts them', () => {
    const chosen = (layers: number) =>
      Array.from({ length: layers }, (_, i) => i).filter((i) => usesMoreBits(i, layers));
    // By hand from use_more_bits: i < n/8 || i >= 7n/8 || (i - n/8) % 3 == 2, integer divisions.
    expect(chosen(32)).toEqual([0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]);
    expect(chosen(12)).toEqual([0, 3, 6, 9, 10, 11]);
    expect(chosen(6)).toEqual([2, 5]);
    expect(chosen(1)).toEqual([0]);
  });

  it('get 8 instead of 4 and 4 instead of 2 or 3', () => {
    expect(([2, 3, 4, 8] as const).map(moreBits)).toEqual([4, 4, 8, 8]);
  });
});

describe('roles by name', () => {
  const layered = (count: number, of: (layer: number) => readonly string[], head: string) => [
    ...Array.from({ length: count }, (_, layer) => of(layer)).flat(),
    head,
  ];
  const expectRoles = (names: readonly string[], expected: Record<string, string>) => {
    expect(rolesIn(chainModel(names, 4))).toEqual(expected);
    // The same from the weights' names, where nodes are only numbered (torch's dynamo exporter).
    const numbered = chainModel(
      names.map((_, i) => `node_${i}`),
      4,
      { weightNames: names.map((name) => `${name}.weight`) },
    );
    const byNumber = Object.entries(expected).map(([name, role]) => [`node_${names.indexOf(name)}`, role]);
    expect(rolesIn(numbered)).toEqual(Object.fromEntries(byNumber));
  };

  it('Llama', () => {
    const parts = ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.o_proj', 'mlp.gate_proj'];
    const names = layered(
      6,
      (i) => [...parts, 'mlp.up_proj', 'mlp.down_proj'].map((part) => `model.layers.${i}.${part}`),
      'lm_head',
    );
    expectRoles(names, {
      'model.layers.2.self_attn.v_proj': 'value',
      'model.layers.2.mlp.down_proj': 'down',
      'model.layers.5.self_attn.v_proj': 'value',
      'model.layers.5.mlp.down_proj': 'down',
      lm_head: 'head',
    });
  });

  it('GPT-2, whose two c_proj differ by their parent', () => {
    const names = layered(
      3,
      (i) => ['attn/c_attn', 'attn/c_proj', 'mlp/c_fc', 'mlp/c_proj'].map((part) => `/transformer/h.${i}/${part}`),
      'lm_head',
    );
    expectRoles(names, {
      '/transformer/h.2/attn/c_attn': 'value',
      '/transformer/h.2/mlp/c_proj': 'down',
      lm_head: 'head',
    });
  });

  it('BERT, whose attention has an output.dense too', () => {
    const names = layered(
      3,
      (i) =>
        ['attention.self.value', 'attention.output.dense', 'intermediate.dense', 'output.dense'].map(
          (part) => `bert.encoder.layer.${i}.${part}`,
        ),
      'classifier',
    );
    expectRoles(names, {
      'bert.encoder.layer.2.attention.self.value': 'value',
      'bert.encoder.layer.2.output.dense': 'down',
      classifier: 'head',
    });
  });

  it('T5 and the first Llama, by a letter below their parents', () => {
    const t5 = layered(
      3,
      (i) =>
        ['SelfAttention/q', 'SelfAttention/v', 'DenseReluDense/wi', 'DenseReluDense/wo'].map(
          (part) => `/block.${i}/${part}/MatMul`,
        ),
      'proj',
    );
    expectRoles(t5, {
      '/block.2/SelfAttention/v/MatMul': 'value',
      '/block.2/DenseReluDense/wo/MatMul': 'down',
      proj: 'head',
    });
    const llama = layered(
      3,
      (i) =>
        ['attention.wv', 'attention.wo', 'feed_forward.w1', 'feed_forward.w2'].map((part) => `layers.${i}.${part}`),
      'output',
    );
    expectRoles(llama, { 'layers.2.attention.wv': 'value', 'layers.2.feed_forward.w2': 'down', output: 'head' });
    expectRoles(['v', 'w2', 'wv', 'x'], { x: 'head' });
  });

  it('an encoder and a decoder count their own layers, experts share a layer', () => {
    const names = layered(
      3,
      (i) => [`enc.layers.${i}.fc2`, `dec.layers.${i}.experts.0.w2`, `dec.layers.${i}.experts.1.w2`],
      'proj',
    );
    expectRoles(names, {
      'enc.layers.2.fc2': 'down',
      'dec.layers.2.experts.0.w2': 'down',
      'dec.layers.2.experts.1.w2': 'down',
      proj: 'head',
    });
  });
});

/** Three transformer layers without a telling name; queries and keys must not pass for values. */
function anonymous({ fused }: { fused: boolean }): Model {
  const [T, D, F] = [4, 8, 16];
  const nodes: Node[] = [];
  const initializers = [floatTensor('bias', [D], sampleValues(D, 2))];
  let count = 0;
  const add = (opType: string, inputs: string[], attributes: Node['attributes'] = new Map(), outputs = 1) => {
    const name = `n${count++}`;
    const results = Array.from({ length: outputs }, (_, i) => `${name}_${i}`);
    nodes.push(makeNode({ opType, name, inputs, outputs: results, attributes }));
    return results;
  };
  const linear = (input: string, K: number, N: number) => {
    const weight = `onnx::MatMul_${initializers.length}`;
    initializers.push(floatTensor(weight, [K, N], sampleValues(K * N, initializers.length)));
    return add('MatMul', [input, weight])[0]!;
  };
  const biased = (input: string) => add('Add', ['bias', linear(input, D, D)])[0]!;
  let x = 'x';
  for (let layer = 0; layer < 3; layer += 1) {
    const [q, k, v] = fused
      ? (add('Split', [linear(x, D, 3 * D)], new Map([['axis', attrInt(-1)]]), 3) as [string, string, string])
      : [biased(x), biased(x), biased(x)];
    const transposed = add('Transpose', [k!], new Map([['perm', attrInts([1, 0])]]))[0]!;
    const scores = add('Softmax', [add('MatMul', [q!, transposed])[0]!])[0]!;
    const mixed = add('MatMul', [scores, add('Identity', [v!])[0]!])[0]!;
    const attended = add('Add', [x, linear(mixed, D, D)])[0]!;
    const up = linear(attended, D, F);
    const gated = add('Mul', [add('Mul', [up, add('Sigmoid', [up])[0]!])[0]!, linear(attended, D, F)])[0]!;
    x = add('Add', [attended, linear(gated, F, D)])[0]!;
  }
  const y = linear(x, D, 20);
  return makeModel({
    graph: makeGraph({
      nodes,
      inputs: [valueInfo('x', 'float32', [T, D])],
      outputs: [valueInfo(y, 'float32', [T, 20])],
      initializers,
    }),
  });
}

describe('roles by what surrounds a node', () => {
  it('finds values and down projections where names tell nothing', () => {
    for (const fused of [false, true]) {
      const model = anonymous({ fused });
      const sites = findLinearSites(openScopes(model)).sites;
      const perLayer = (sites.length - 1) / 3;
      const roles = kMixture(sites);
      const found = sites.flatMap((site, index) => (roles.has(site) ? [[index, roles.get(site)]] : []));
      // Of the third layer: the value projection is its third site (or the fused first), down is its last.
      expect(found).toEqual([
        [2 * perLayer + (fused ? 0 : 2), 'value'],
        [3 * perLayer - 1, 'down'],
        [3 * perLayer, 'head'],
      ]);
    }
  });
});

describe('a step with the mixture', () => {
  const names = [0, 1, 2].flatMap((i) => [`layers.${i}.v_proj`, `layers.${i}.down_proj`]).concat('lm_head');

  it('records what was chosen and why; overrides go first', async () => {
    const source = chainModel(names, 32);
    const { ledger } = await applyStep(step, source, { mixture: 'k-m', overrides: ['*v_proj=2', 'lm_head=4'] });
    const { weights } = ledger[0]!.facts as { weights: { nodes: string[]; bits: number; chosenBy: string }[] };
    expect(weights.map(({ nodes, bits, chosenBy }) => [nodes[0], bits, chosenBy])).toEqual([
      ['layers.0.v_proj', 2, 'override'],
      ['layers.0.down_proj', 4, 'settings'],
      ['layers.1.v_proj', 2, 'override'],
      ['layers.1.down_proj', 4, 'settings'],
      ['layers.2.v_proj', 2, 'override'],
      ['layers.2.down_proj', 8, 'mixture: feed-forward down projection'],
      ['lm_head', 4, 'override'],
    ]);
  });

  it('says so where it recognizes nothing', () => {
    const codes = (mixture: string, model: Model) =>
      step.check!(model, step.params.parse({ mixture })).map(({ code }) => code);
    expect(codes('k-m', chainModel(['a', 'b', 'c'], 8))).toEqual(['quant/mixture-finds-no-layers']);
    expect(codes('uniform', chainModel(['a', 'b', 'c'], 8))).toEqual([]);
    expect(codes('k-m', chainModel(names, 8))).toEqual([]);
  });
});
