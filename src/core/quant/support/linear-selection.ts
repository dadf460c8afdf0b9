/** Which MatMul and Gemm nodes a weight-only step is to take: declared and decided once for all of them. */
import { z } from 'zod';
import type { ShapeTable } from '../../shape/types.ts';
import { findLinearSites, type LinearSite, type LinearSites } from './linear-sites.ts';
import { nodePatternParams, nodeSelector } from './patterns.ts';
import type { Scope } from './scopes.ts';

export const linearSelectionParams = {
  matmul: z
    .boolean()
    .default(true)
    .meta({ title: 'MatMul', description: 'Quantize MatMul nodes with a constant weight.' }),
  gemm: z.boolean().default(true).meta({ title: 'Gemm', description: 'Quantize Gemm nodes (fully connected layers).' }),
  keepLastLayer: z.boolean().default(false).meta({
    title: 'Keep the last layer',
    description: 'Leaves the last MatMul or Gemm as it is: the output layer is often the most sensitive.',
  }),
  ...nodePatternParams,
};

export type LinearSelection = z.output<z.ZodObject<typeof linearSelectionParams>>;

export interface SelectedSites extends LinearSites {
  /** All that there are, selected or not. */
  readonly all: readonly LinearSite[];
  /** The one among `sites` that is the last layer and to be kept. */
  readonly kept: LinearSite | undefined;
}

/** @param shapes as findLinearSites takes them */
export function selectLinearSites(
  scopes: readonly Scope[],
  settings: LinearSelection,
  shapes?: ShapeTable,
): SelectedSites {
  const { sites: all, skipped } = findLinearSites(scopes, shapes);
  const selects = nodeSelector(settings);
  const ofType = all.filter(({ opType }) => (opType === 'MatMul' ? settings.matmul : settings.gemm));
  const kept = settings.keepLastLayer ? ofType.findLast(({ scope }) => !scope.outer) : undefined;
  return { all, sites: ofType.filter(({ node }) => selects(node)), kept, skipped };
}
