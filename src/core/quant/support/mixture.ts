/**
 * K_M mixtures: more bits for the layers that suffer most. The rule is llama.cpp's for its Q*_K_M files (`use_more_bits`
 * in llama-quant.cpp) and Olive's for `k_quant_mixed`: attention value and feed-forward down projections in the first
 * and last eighth of the layers and in every third layer between, and the output head.
 */
import { z } from 'zod';
import type { LinearSite } from './linear-sites.ts';
import { feedsAttentionValues, followsActivation } from './linear-surroundings.ts';
import { nodeLabel } from './patterns.ts';
import type { WeightBits } from './weight-bits.ts';

export const mixtureParams = {
  mixture: z
    .enum(['uniform', 'k-m'])
    .default('uniform')
    .meta({
      title: 'Mixture',
      description:
        'K_M gives the output head, and the value and down projections of about half of the layers, more bits: 8 instead of 4, 4 instead of 2 or 3.',
      optionTitles: { uniform: 'same bits everywhere', 'k-m': 'K_M: more bits where it hurts most' },
    }),
};

export type MixtureRole = 'value' | 'down' | 'head';

export const roleTitles: Readonly<Record<MixtureRole, string>> = {
  value: 'attention value projection',
  down: 'feed-forward down projection',
  head: 'output head',
};

/** What a layer gets that deserves more. */
export function moreBits(bits: WeightBits): WeightBits {
  return bits >= 4 ? 8 : 4;
}

/** Of n layers, the first and last eighth and every third between. */
export function usesMoreBits(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}

/**
 * @param sites all of the model's, whether selected or not, in graph order
 * @returns the role of each site that gets more bits; roles are known by the names of weights and nodes as exporters
 *   write them, else by what surrounds the node
 */
export function kMixture(sites: readonly LinearSite[]): ReadonlyMap<LinearSite, MixtureRole> {
  const chosen = new Map<LinearSite, MixtureRole>();
  const head = sites.findLast(({ scope }) => !scope.outer);
  const stacks = new Map<string, Member[]>();
  for (const site of sites) {
    const role = site === head ? undefined : roleOf(site);
    if (!role) continue;
    const { stack, layer } = placeOf(site);
    const key = `${role} of ${stack}`;
    const members = stacks.get(key) ?? [];
    // Several projections of one layer (experts) share its number; layers without numbers count in graph order.
    members.push({ site, role, layer: layer ?? members.length });
    stacks.set(key, members);
  }
  for (const members of stacks.values()) {
    const numbers = [...new Set(members.map(({ layer }) => layer))].sort((a, b) => a - b);
    for (const { site, role, layer } of members)
      if (usesMoreBits(numbers.indexOf(layer), numbers.length)) chosen.set(site, role);
  }
  if (head) chosen.set(head, 'head');
  return chosen;
}

interface Member {
  readonly site: LinearSite;
  readonly role: MixtureRole;
  readonly layer: number;
}

const component = (...names: readonly string[]) => new RegExp(`(?:^|[./_])(?:${names.join('|')})(?=$|[./_])`, 'i');

/** Names as Hugging Face, timm, torch and GGUF have them. A fused projection of query, key and value holds the values. */
const valueName = component(
  ...['v_proj', 'v_lin', 'attn_v', 'to_v', 'value', 'value_proj', '\\w*att\\w*[./_]w?v'],
  ...['qkv', 'qkv_proj', 'c_attn', 'attn_qkv', 'query_key_value', 'wqkv', 'in_proj_weight'],
);
const downName = component(
  ...['down_proj', 'ffn_down', 'fc2', 'fc_out', 'lin2', 'linear2', 'dense_4h_to_h'],
  ...[
    'mlp[./_]c_proj',
    '(?:feed_forward|ffn|mlp|experts?[./_]\\d+)[./_]w2',
    'DenseReluDense[./_]wo',
    'ffn_output',
    '(?<!attention[./_])output[./_]dense',
  ],
);

const namesOf = (site: LinearSite): string[] => [site.weight.valueName, nodeLabel(site.node)];

function roleOf(site: LinearSite): MixtureRole | undefined {
  const names = namesOf(site);
  if (names.some((name) => downName.test(name))) return 'down';
  if (names.some((name) => valueName.test(name)) || feedsAttentionValues(site)) return 'value';
  return site.K > site.N && followsActivation(site) ? 'down' : undefined;
}

const numberedLayer = /^(.*?(?:layers?|blocks?|blk|h|stages?|encoder|decoder))[./_](\d+)(?=$|[./_])/i;

/** "model.layers.12.mlp" is layer 12 of the stack "model.layers": what precedes the number tells encoder from decoder. */
function placeOf(site: LinearSite): { readonly stack: string; readonly layer: number | undefined } {
  for (const name of namesOf(site)) {
    const found = numberedLayer.exec(name);
    if (found) return { stack: found[1]!, layer: Number(found[2]) };
  }
  return { stack: '', layer: undefined };
}
