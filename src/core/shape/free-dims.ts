import type { Model } from '../ir/types.ts';
import { dimToSym } from './facts.ts';
import { symbolsOf } from './symbolic.ts';
import { dimNameOf } from './symbolic-text.ts';

/** A symbol that the caller must give a value before sizes in bytes exist. */
export interface FreeDim {
  /** The key for `overrides`. */
  readonly symbol: string;
  /** False when the file leaves the dimension unnamed and the symbol is made up ("x[2]"). */
  readonly isNamed: boolean;
  readonly uses: readonly { readonly input: string; readonly axis: number }[];
}

/** The free dimensions of a model's inputs, in order of appearance. */
export function freeDims(model: Model): readonly FreeDim[] {
  const found = new Map<string, { symbol: string; isNamed: boolean; uses: { input: string; axis: number }[] }>();
  for (const { name: input, type } of model.graph.inputs) {
    if (type?.kind !== 'tensor' || model.graph.initializers.has(input)) continue;
    for (const [axis, dim] of (type.shape ?? []).entries()) {
      const size = dimToSym(dim, () => undefined);
      const symbols = size === null ? [dimNameOf(input, axis)] : [...symbolsOf(size)];
      for (const symbol of symbols) {
        const entry = found.get(symbol) ?? { symbol, isNamed: size !== null, uses: [] };
        entry.uses.push({ input, axis });
        found.set(symbol, entry);
      }
    }
  }
  return [...found.values()];
}
