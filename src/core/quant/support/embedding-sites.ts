/** Embedding tables: constant matrices that Gather picks rows of, and the output layers that read the same matrix. */
import { intAttr } from '../../ir/attributes.ts';
import { elementCount } from '../../ir/tensor.ts';
import type { Node } from '../../ir/types.ts';
import { isDefaultDomain } from '../../ir/walk.ts';
import type { LinearSite, SkippedSite } from './linear-sites.ts';
import { nodesOf, type Scope } from './scopes.ts';
import { isFloatWeight, type WeightSource, weightSource } from './weights.ts';

export interface GatherSite {
  readonly scope: Scope;
  readonly node: Node;
  readonly indices: string;
  readonly output: string;
}

/** A table [rows, columns] and everything that picks rows of it. */
export interface EmbeddingTable {
  readonly source: WeightSource;
  readonly rows: number;
  readonly columns: number;
  readonly gathers: readonly GatherSite[];
}

export interface EmbeddingTables {
  readonly tables: readonly EmbeddingTable[];
  readonly skipped: readonly SkippedSite[];
}

/** @param selects which Gather nodes are wanted; a small table is no weight and is passed over in silence */
export function findEmbeddingTables(
  scopes: readonly Scope[],
  minElements: number,
  selects: (node: Node) => boolean,
): EmbeddingTables {
  const tables = new Map<string, EmbeddingTable & { readonly gathers: GatherSite[] }>();
  const skipped: SkippedSite[] = [];
  for (const { node, scope } of nodesOf(scopes)) {
    if (node.opType !== 'Gather' || !isDefaultDomain(node.domain) || !selects(node)) continue;
    const source = weightSource(scope, node.inputs[0] ?? '');
    if (!source || !isFloatWeight(source.tensor)) continue;
    const { dims, dtype } = source.tensor;
    if (dims.length < 2 || elementCount(dims) < minElements) continue;
    const reason = obstacleFor(node, source);
    if (reason !== undefined) {
      skipped.push({ node, reason });
      continue;
    }
    if (dtype !== 'float32' && dtype !== 'float16') {
      skipped.push({ node, reason: `its table is ${dtype}` });
      continue;
    }
    const key = tableKey(source);
    const site = { scope, node, indices: node.inputs[1]!, output: node.outputs[0]! };
    const known = tables.get(key);
    if (known) known.gathers.push(site);
    else tables.set(key, { source, rows: dims[0]!, columns: dims[1]!, gathers: [site] });
  }
  return { tables: [...tables.values()], skipped };
}

function obstacleFor(node: Node, { tensor, transposed }: WeightSource): string | undefined {
  if (transposed) return 'it picks columns of its table';
  if (tensor.dims.length !== 2) return `its table has ${tensor.dims.length} dimensions`;
  return intAttr(node, 'axis', 0) === 0 ? undefined : 'it picks along another axis than the first';
}

export function tableKey({ scope, valueName }: WeightSource): string {
  return `${scope.index}/${valueName}`;
}

/** The products with the table's rows as their outputs: an output layer tied to the embedding. */
export function tiedHeads(table: EmbeddingTable, sites: readonly LinearSite[]): LinearSite[] {
  const key = tableKey(table.source);
  return sites.filter(
    ({ weight, order, N, K }) =>
      tableKey(weight) === key && order === 'rows' && N === table.rows && K === table.columns,
  );
}
