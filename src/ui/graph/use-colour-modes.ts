/** What the selected variant's graph can be coloured by: what the graph tells, and what was measured. */
import { useMemo } from 'react';
import type { GraphDocument } from '../../core/graph-view/document.ts';
import type { NodeLabels, NodeValues } from '../../core/graph-view/node-values.ts';
import type { LensResult, SensitivityResult } from '../../core/precision/results.ts';
import type { VariantGraph } from '../../services/variant-graph.ts';
import type { VariantRow } from '../../state/rows.ts';
import { useStudio } from '../../state/use-studio.ts';
import { formatDb } from '../layers/lens-data.ts';
import { CANDIDATE_TITLES, formatLoss, lossUnit, measuredCandidates, pointOf } from '../layers/sensitivity-data.ts';
import { type ColourMode, figuresMode, graphModes } from './colour-modes.ts';

export function useColourModes(row: VariantRow, { document }: VariantGraph): readonly ColourMode[] {
  const lens = useStudio((state) => state.lenses[row.id]?.result);
  const sensitivity = useStudio((state) => state.sensitivity?.result);
  const offered = useStudio((state) => state.nodeFigures[row.id]);
  return useMemo(() => {
    const nameOf = labelsByValue(document);
    const figures: (NodeValues | NodeLabels)[] = [...(offered ?? [])];
    if (lens) figures.push(lensFigures(lens, nameOf));
    if (sensitivity) figures.push(...sensitivityFigures(sensitivity, nameOf));
    if (!figures.some(({ id }) => id === 'provider')) {
      const placed = placementWords(row, document);
      if (placed) figures.push(placed);
    }
    return [...graphModes, ...figures.map(figuresMode)];
  }, [lens, sensitivity, offered, row, document]);
}

/** Layers are known by the values they make: quantizers rewrite nodes and keep those names. */
function labelsByValue({ scopes }: GraphDocument): (output: string, fallback: string) => string {
  const names = new Map<string, string>();
  for (const { nodes } of scopes)
    for (const { kind, name, outputs } of nodes)
      if (kind === 'op') for (const output of outputs) if (!names.has(output)) names.set(output, name);
  return (output, fallback) => names.get(output) ?? fallback;
}

function lensFigures({ layers, samples }: LensResult, nameOf: ReturnType<typeof labelsByValue>): NodeValues {
  return {
    id: 'error',
    title: 'Quantization error (SQNR by itself)',
    unit: 'dB',
    notable: 'low',
    combine: 'min',
    source: `measured on ${samples} inputs`,
    format: formatDb,
    byNode: new Map(
      layers
        .filter(({ changed }) => changed)
        .map(({ name, output, local }) => [nameOf(output, name), local.sqnrDb] as const),
    ),
  };
}

function sensitivityFigures(result: SensitivityResult, nameOf: ReturnType<typeof labelsByValue>): NodeValues[] {
  return measuredCandidates(result).map((candidate) => ({
    id: `sensitivity ${candidate}`,
    title: `Sensitivity, ${CANDIDATE_TITLES[candidate]}`,
    unit: lossUnit(result),
    source: lossUnit(result),
    scale: 'log',
    combine: 'max',
    format: formatLoss,
    byNode: new Map(
      result.layers.flatMap((layer) => {
        const point = pointOf(layer, candidate);
        return point ? [[nameOf(layer.output, layer.name), point.loss] as const] : [];
      }),
    ),
  }));
}

/** Placement is counted by operator type: a type that ran in one place only tells where its nodes ran. */
function placementWords({ cells }: VariantRow, { scopes }: GraphDocument): NodeLabels | null {
  const cell = cells.find(({ measurement }) => (measurement?.placement?.providers.length ?? 0) > 1);
  const placement = cell?.measurement?.placement;
  if (!cell || !placement) return null;
  const where = new Map<string, Set<string>>();
  for (const { provider, opTypes } of placement.providers)
    for (const op of Object.keys(opTypes)) where.set(op, (where.get(op) ?? new Set()).add(provider));
  const byNode = new Map<string, string>();
  for (const { name, op } of scopes[0]!.nodes) {
    const providers = where.get(op.slice(op.lastIndexOf('.') + 1));
    if (providers) byNode.set(name, [...providers].sort().join(' or '));
  }
  return byNode.size === 0
    ? null
    : { id: 'provider', title: 'Execution provider', byNode, source: `${cell.label}, by operator` };
}
