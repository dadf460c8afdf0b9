/** Names of nodes for the fields that take name patterns: asked of the worker once for each way to simplify the model. */
import { canonicalJson } from '../../core/base/json.ts';
import { quietJob } from '../../core/base/progress.ts';
import type { NodeFact } from '../../core/recipe/node-facts.ts';
import { stepRegistry } from '../../core/recipe/registry.ts';
import type { Recipe } from '../../core/recipe/schema.ts';
import { isBeforeQuantization } from '../../core/step/define.ts';
import { type OpenModel, openedModel } from '../../services/engine.ts';

const known = new WeakMap<OpenModel, Map<string, Promise<readonly NodeFact[]>>>();

/**
 * The nodes that the recipe's quantization steps will see.
 * @throws StudioError of the steps before them
 */
export function nodesOf(recipe: Recipe): Promise<readonly NodeFact[]> {
  const opened = openedModel();
  if (!opened) return Promise.resolve([]);
  const lists = known.get(opened) ?? new Map<string, Promise<readonly NodeFact[]>>();
  known.set(opened, lists);
  const key = simplificationKey(recipe);
  let list = lists.get(key);
  if (!list) {
    list = opened.session.nodes(recipe, quietJob);
    lists.set(key, list);
    // A worker that died answers the next time.
    list.catch(() => lists.delete(key));
  }
  return list;
}

/** Recipes with the same key leave the same nodes to quantization. */
export function simplificationKey({ steps }: Recipe): string {
  return canonicalJson(steps.filter(({ id }) => isBeforeQuantization(stepRegistry.get(id))));
}
