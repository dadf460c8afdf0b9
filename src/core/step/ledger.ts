/** The record of what each step changed: the report, the diff and the fixed-point loop read it. */

export interface LedgerEntry {
  /** What happened, e.g. "fused Conv + BatchNormalization". */
  readonly action: string;
  /** Names (or first outputs, where a node has no name) of the nodes that went away or changed. */
  readonly from: readonly string[];
  /** Names of the nodes or initializers that took their place. */
  readonly to: readonly string[];
}

/** Collects entries of one step. Entries beyond `limit` are counted and not kept. */
export class Ledger {
  readonly entries: LedgerEntry[] = [];
  #count = 0;
  readonly #limit: number;

  constructor(limit = 20_000) {
    this.#limit = limit;
  }

  /** How many times the step fired. */
  get count(): number {
    return this.#count;
  }

  record(action: string, from: readonly string[], to: readonly string[] = []): void {
    this.#count += 1;
    if (this.entries.length < this.#limit) this.entries.push({ action, from, to });
  }
}
