import { cloneModel } from './clone.ts';
import type { Model } from './types.ts';
import { forEachNode } from './walk.ts';

/**
 * The model with a name for every node, each different from all others: what a runtime says of a node (in errors and
 * profiles) goes by its name. Names that are there and unique stay. @returns the model itself where nothing is to do
 */
export function withNodeNames(model: Model): Model {
  const taken = new Set<string>();
  let isNamed = true;
  forEachNode(model, ({ name }) => {
    if (name === '' || taken.has(name)) isNamed = false;
    taken.add(name);
  });
  if (isNamed) return model;
  const named = cloneModel(model);
  const used = new Set<string>();
  let number = 0;
  forEachNode(named, (node) => {
    if (node.name === '' || used.has(node.name)) {
      // Nodes without a name go by their first output everywhere else too.
      const stem = node.name || node.outputs.find((output) => output !== '') || node.opType;
      node.name = stem;
      while (taken.has(node.name) || used.has(node.name)) {
        node.name = `${stem}_${number}`;
        number += 1;
      }
    }
    used.add(node.name);
  });
  return named;
}
