/** One figure a node: what colour modes, node panels and table twins draw. Whoever measures nodes makes one of these. */

export interface NodeValues {
  /** Names it among others: 'latency', 'macs', 'sqnr'. */
  readonly id: string;
  /** For the menu and the legend: "Share of latency". */
  readonly title: string;
  /** Written behind a figure: 'ms', '%', 'MACs', 'bytes', 'dB', 'nats', ''. */
  readonly unit: string;
  /** By `nodeLabel`: the node's name, else its first output's. Nodes without a figure are left out. */
  readonly byNode: ReadonlyMap<string, number>;
  /** Which end is worth looking at; colours are strong there. Default 'high'. */
  readonly notable?: 'high' | 'low';
  /** Logarithmic scales suit figures that span magnitudes (MACs, bytes); default linear. */
  readonly scale?: 'linear' | 'log';
  /** What a collapsed group shows for the nodes in it; default 'sum'. */
  readonly combine?: 'sum' | 'max' | 'min' | 'mean';
  /** Figures as text where the unit alone does not say it ("12.3 ms, 4 %"). */
  readonly format?: (value: number) => string;
  /** Where the figures come from: "measured on WASM, 2 threads", "predicted from shapes". */
  readonly source?: string;
}

/** One word a node: operator classes, execution providers, storage formats. */
export interface NodeLabels {
  readonly id: string;
  readonly title: string;
  readonly byNode: ReadonlyMap<string, string>;
  readonly source?: string;
}

/** What recipes, ledgers and figures call a node: its name, else its first output's, else its operator. */
export function nodeLabel(node: {
  readonly name: string;
  readonly opType: string;
  readonly outputs: readonly string[];
}): string {
  return node.name || node.outputs.find((output) => output !== '') || node.opType;
}

/** The figure of several nodes together. @returns null where none of them has one */
export function combineValues(values: NodeValues, names: Iterable<string>): number | null {
  const { combine = 'sum' } = values;
  let count = 0;
  let sum = 0;
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const name of names) {
    const value = values.byNode.get(name);
    if (value === undefined || Number.isNaN(value)) continue;
    count += 1;
    sum += value;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (count === 0) return null;
  return combine === 'sum' ? sum : combine === 'mean' ? sum / count : combine === 'max' ? high : low;
}
