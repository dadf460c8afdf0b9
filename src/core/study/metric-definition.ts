/** How a figure of a task is read, and what a gate can say of it. */
import { z } from 'zod';

export const metricDefinitionSchema = z.object({
  id: z.string(),
  title: z.string(),
  short: z.string(),
  direction: z.enum(['higher-is-better', 'lower-is-better']),
  format: z.enum(['percent', 'decimal', 'decibel']),
  decimals: z.number().int(),
});

export const verdictNames = ['pass', 'fail', 'inconclusive', 'baseline', 'not-evaluated'] as const;
