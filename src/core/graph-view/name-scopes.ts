/** Module paths of nodes, from whatever an exporter left of them. */
import type { Node } from '../ir/types.ts';

/** From the outside in: ['model', 'layers.0', 'attn']. */
export type NameScope = readonly string[];

const NONE: NameScope = [];

/**
 * The scope that a node's own name or metadata tells.
 * Paths with slashes are those of torch's TorchScript exporter and of TensorFlow; `pkg.torch.onnx.name_scopes` is written
 * by torch's dynamo exporter (2.5 on) and lists qualified module names from the outside in, the node's own last.
 */
export function ownScope(node: Pick<Node, 'name' | 'metadataProps'>): NameScope {
  const listed = node.metadataProps?.get('pkg.torch.onnx.name_scopes');
  if (listed) {
    const modules = [...listed.matchAll(/'([^']*)'|"([^"]*)"/g)].map((match) => match[1] ?? match[2] ?? '');
    const qualified = modules.slice(0, -1).filter((name) => name !== '');
    if (qualified.length > 0) return qualified.map((name, at) => withoutPrefix(name, qualified[at - 1]));
  }
  if (!node.name.includes('/')) return NONE;
  const parts = node.name.split('/').filter((part) => part !== '');
  return parts.slice(0, -1);
}

const withoutPrefix = (name: string, prefix: string | undefined): string =>
  prefix !== undefined && name.startsWith(`${prefix}.`) ? name.slice(prefix.length + 1) : name;

/** Anonymous weights say nothing: "onnx::MatMul_123", "12". */
const anonymous = /^(onnx::|\d+$|_?val_\d+$)/;

/** 'model.layers.0.attn.q.weight' -> ['model', 'layers.0', 'attn', 'q']: numbers belong to what they count. */
export function weightScope(name: string): NameScope {
  if (anonymous.test(name) || !name.includes('.')) return NONE;
  const scope: string[] = [];
  for (const part of name.replaceAll('/', '.').split('.').filter(Boolean).slice(0, -1)) {
    if (/^\d+$/.test(part) && scope.length > 0) scope[scope.length - 1] += `.${part}`;
    else scope.push(part);
  }
  return scope;
}

export function commonScope(a: NameScope, b: NameScope): NameScope {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1;
  return length === a.length ? a : a.slice(0, length);
}

/** What all of them share. */
export function commonScopeOf(scopes: Iterable<NameScope>): NameScope {
  let common: NameScope | undefined;
  for (const scope of scopes) {
    common = common ? commonScope(common, scope) : scope;
    if (common.length === 0) break;
  }
  return common ?? NONE;
}

/**
 * Scopes of all nodes: their own; else those of their weights; else what the nodes before and behind them share.
 * @param order producers first
 * @param known by node, its own scope or that of its weights; empty where neither tells one
 */
export function fillScopes(
  order: readonly number[],
  producers: readonly (readonly number[])[],
  known: readonly NameScope[],
): NameScope[] {
  const above: (NameScope | undefined)[] = known.map((scope) => (scope.length > 0 ? scope : undefined));
  const below: (NameScope | undefined)[] = [...above];
  for (const node of order) {
    if (above[node]) continue;
    for (const producer of producers[node]!) {
      above[node] = above[producer];
      if (above[node]) break;
    }
  }
  for (let at = order.length - 1; at >= 0; at -= 1) {
    const node = order[at]!;
    if (!below[node]) continue;
    for (const producer of producers[node]!) below[producer] ??= below[node];
  }
  return known.map((scope, node) => {
    if (scope.length > 0) return scope;
    const up = above[node];
    const down = below[node];
    return up && down ? commonScope(up, down) : NONE;
  });
}
