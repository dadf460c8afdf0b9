/** The layers that at least one candidate stores differently, with what each form of them costs. */

import { elementCount } from '../ir/tensor.ts';
import type { Model } from '../ir/types.ts';
import type { BuiltCandidate } from './build-candidates.ts';
import { isFloat, typesOf } from './layers.ts';
import type { CandidateId, Layer } from './results.ts';
import { constantBytes, segmentFacts } from './segment-facts.ts';

export interface QuantizableLayer extends Layer {
  readonly weightKey: string;
  readonly inputKey: string;
  readonly keptBytes: number;
  /** Of the candidates that store it differently. */
  readonly forms: ReadonlyMap<CandidateId, LayerForm>;
}

export interface LayerForm {
  readonly bytes: number;
  /** The floating-point values in whose place the candidate's are put: those of the layer, or of what is merged into it. */
  readonly outputs: readonly string[];
}

export function findQuantizable(model: Model, candidates: readonly BuiltCandidate[]): QuantizableLayer[] {
  const dtypeOf = typesOf(model);
  const layers = new Map<string, QuantizableLayer>();
  for (const { id, variant, matched } of candidates) {
    const stays = new Set([...variant.graph.initializers.values()].map(({ data }) => data));
    for (const { node, changed, ...layer } of matched.layers) {
      const outputs = node.outputs.filter((name) => name !== '' && isFloat(dtypeOf(name)));
      // What has lost one of its outputs' names cannot be put into the original's place.
      if (!changed || outputs.some((name) => !matched.values.has(name))) continue;
      const before = segmentFacts(model, outputs, matched.values);
      const after = segmentFacts(variant, outputs, matched.values);
      const own = [...before.constants.values()];
      // A weight that others still read (a tied embedding) is stored beside its new form.
      const beside = own.filter(
        ({ data }) => stays.has(data) && ![...after.constants.values()].some((t) => t.data === data),
      );
      const known = layers.get(layer.name) ?? {
        ...layer,
        weightKey: weightKeyOf(before.constants) || layer.name,
        inputKey: before.reads.join('\n'),
        keptBytes: constantBytes(own),
        forms: new Map<CandidateId, LayerForm>(),
      };
      const bytes = constantBytes(after.constants.values()) + constantBytes(beside);
      (known.forms as Map<CandidateId, LayerForm>).set(id, { bytes, outputs });
      layers.set(layer.name, known);
    }
  }
  return [...layers.values()].sort((a, b) => a.order - b.order);
}

/** The names of its matrices; biases and factors may be shared by chance (a zero). */
function weightKeyOf(constants: ReadonlyMap<string, { readonly dims: readonly number[] }>): string {
  return [...constants]
    .filter(([, { dims }]) => dims.length >= 2 && elementCount(dims) > 1)
    .map(([name]) => name)
    .join('\n');
}
