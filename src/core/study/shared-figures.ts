/**
 * A summary of what somebody measured, as a link carries it: the receiver sees it beside own figures, never among them.
 * It comes from strangers: every text and every count has a cap.
 */
import { z } from 'zod';
import { metricDefinitionSchema, verdictNames } from './metric-definition.ts';
import { gateSchema, MAX_TARGETS, MAX_VARIANTS, targetSchema } from './schema.ts';

/** Control and format characters go: they could hide text, or turn round what stands after it. */
const text = (longest: number) =>
  z
    .string()
    .max(longest)
    .transform((value) => value.replace(/[\p{C}\p{Z}]+/gu, ' ').trim())
    .pipe(z.string().min(1));
export const DEVICE_CHARACTERS = 160;
export const RUNTIME_CHARACTERS = 60;

const bytes = z.number().min(0).max(1e15);
const ms = z.number().min(0).max(1e9);
const count = z.number().int().min(0).max(1e9);

export const sharedMeasurementSchema = z.object({
  /** Threads that really ran. */
  threads: z.number().int().min(0).max(1024),
  latency: z.object({ medianMs: ms, p5Ms: ms, p95Ms: ms, runs: count }).nullable(),
  /** Of the WASM heap, or of the process for native runtimes. */
  heapPeakBytes: bytes.nullable(),
  gpuBufferPeakBytes: bytes.nullable(),
  /** The task's first metric. */
  metric: z.object({ value: z.number(), interval: z.tuple([z.number(), z.number()]).nullable(), n: count }).nullable(),
  /** By the gate in the link. */
  verdict: z.enum(verdictNames).nullable(),
});
export type SharedMeasurement = z.output<typeof sharedMeasurementSchema>;

export const sharedMetricSchema = metricDefinitionSchema.extend({
  id: text(64),
  title: text(80),
  short: text(40),
  decimals: z.number().int().min(0).max(8),
});
export type SharedMetric = z.output<typeof sharedMetricSchema>;

export const sharedFiguresSchema = z.object({
  device: text(DEVICE_CHARACTERS),
  runtime: text(RUNTIME_CHARACTERS),
  /** The day of the last measurement, by UTC. */
  measuredOn: z.iso.date(),
  metric: sharedMetricSchema.nullable(),
  /** In the order of the study's variants; null where there were no figures of just these settings. */
  variants: z
    .array(
      z
        .object({
          fileBytes: bytes,
          /** In the order of the study's targets. */
          measurements: z.array(sharedMeasurementSchema.nullable()).max(MAX_TARGETS),
        })
        .nullable(),
    )
    .max(MAX_VARIANTS),
});
export type SharedFigures = z.output<typeof sharedFiguresSchema>;

/** In a receiver's report, by its variants. */
export const reportSenderSchema = sharedFiguresSchema.extend({
  /** Of the link: the sender's verdicts are by it. */
  gate: gateSchema,
  /** In the order of the report's variants; null where the sender measured nothing of just these settings. */
  variants: z
    .array(
      z
        .object({
          fileBytes: bytes,
          measurements: z.array(sharedMeasurementSchema.extend({ target: targetSchema })).max(MAX_TARGETS),
        })
        .nullable(),
    )
    .max(MAX_VARIANTS),
});
export type ReportSender = z.output<typeof reportSenderSchema>;
