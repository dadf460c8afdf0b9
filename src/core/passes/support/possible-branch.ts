/**
 * Branches that cannot be taken, because what they give has a rank that its reader refuses: torch writes such Ifs around
 * recurrent layers, which take three axes, for inputs with and without a batch. A model that took the branch would fail.
 */
import { graphAttr, intsAttr } from '../../ir/attributes.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import type { Graph, Node } from '../../ir/types.ts';
import type { ShapeTable } from '../../shape/types.ts';
import { intsOf } from './constants.ts';
import { type FactLookup, rankOf } from './facts.ts';
import { isOp } from './scopes.ts';

/** Where names are looked up: a branch, then the graph around it. */
interface Place {
  readonly facts: FactLookup;
  readonly editor: GraphEditor;
  readonly table: ShapeTable;
  readonly producerOf: (value: string) => Node | undefined;
}

/** Nested as deep, or chained as long, nothing is said. */
const MAX_STEPS = 8;

/** How many axes the node adds (or, if negative, takes away), where that is written down. */
function axesAdded({ editor }: Pick<Place, 'editor'>, node: Node): number | undefined {
  if (isOp(node, 'Identity')) return 0;
  if (!isOp(node, 'Squeeze', 'Unsqueeze')) return undefined;
  const axes = intsAttr(node, 'axes') ?? intsOf(editor.constantOf(node.inputs[1] ?? ''));
  return axes && (node.opType === 'Unsqueeze' ? axes.length : -axes.length);
}

/** Ranks that a value may have; undefined where it may have any. */
function possibleRanks(place: Place, value: string, steps = 0): readonly number[] | undefined {
  const rank = rankOf(place.facts(value));
  if (rank !== undefined) return [rank];
  const node = steps < MAX_STEPS ? place.producerOf(value) : undefined;
  if (!node) return undefined;
  if (isOp(node, 'If')) {
    const at = node.outputs.indexOf(value);
    const branches = [graphAttr(node, 'then_branch'), graphAttr(node, 'else_branch')];
    const ranks = branches.map(
      (branch) => branch && possibleRanks(inside(place, branch), branch.outputs[at]?.name ?? '', steps + 1),
    );
    return ranks.every((one) => one !== undefined) ? [...new Set(ranks.flat())] : undefined;
  }
  const added = axesAdded(place, node);
  return added === undefined ? undefined : possibleRanks(place, node.inputs[0]!, steps + 1)?.map((one) => one + added);
}

function inside(outer: Place, branch: Graph): Place {
  const scope = outer.table.scope(branch);
  const makers = new Map(branch.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const isLocal = (value: string) => makers.has(value) || branch.initializers.has(value);
  return {
    ...outer,
    facts: (value) => (isLocal(value) ? scope?.get(value) : outer.facts(value)),
    producerOf: (value) => (isLocal(value) ? makers.get(value) : outer.producerOf(value)),
  };
}

/** The rank that some reader insists on; undefined where none does. */
function requiredRank(place: Place, value: string, steps = 0): number | undefined {
  if (steps >= MAX_STEPS) return undefined;
  for (const reader of place.editor.consumersOf(value)) {
    const index = reader.inputs.indexOf(value);
    // Sequences, and the states that recurrent layers begin with.
    if (isOp(reader, 'LSTM', 'GRU', 'RNN') && [0, 5, 6].includes(index)) return 3;
    const added = index === 0 ? axesAdded(place, reader) : undefined;
    const behind = added === undefined ? undefined : requiredRank(place, reader.outputs[0]!, steps + 1);
    if (behind !== undefined) return behind - added!;
  }
  return undefined;
}

/** @returns the one branch that can be taken without failing; undefined where both can, or nothing is known */
export function onlyPossibleBranch(
  editor: GraphEditor,
  table: ShapeTable,
  facts: FactLookup,
  node: Node,
): Graph | undefined {
  const place: Place = { editor, table, facts, producerOf: (value) => editor.producerOf(value) };
  const branches = [graphAttr(node, 'then_branch'), graphAttr(node, 'else_branch')];
  const required = node.outputs.map((name) => requiredRank(place, name));
  const left = branches.filter(
    (branch) =>
      branch &&
      required.every((rank, at) => {
        const ranks = rank === undefined ? undefined : possibleRanks(inside(place, branch), branch.outputs[at]!.name);
        return ranks === undefined || ranks.includes(rank!);
      }),
  );
  return left.length === 1 ? left[0] : undefined;
}
