/**
 * What was found out: the part of the Report that measuring fills in. Everything here is JSON; the schema is published
 * (docs/report.schema.json), so names are stable and units are in the names.
 */
import { z } from 'zod';
import { recipeSchema } from '../recipe/schema.ts';
import { metricDefinitionSchema, verdictNames } from './metric-definition.ts';
import { gateSchema, modelRefSchema, targetSchema, taskRefSchema } from './schema.ts';
import { reportSenderSchema } from './shared-figures.ts';

export { metricDefinitionSchema };

export const errorRecordSchema = z.object({
  code: z.string(),
  data: z.record(z.string(), z.json()),
  message: z.string(),
  advice: z.string(),
  cause: z.string().optional(),
});

export const advisorySchema = z.object({
  level: z.enum(['error', 'warning', 'info']),
  code: z.string(),
  message: z.string(),
  providers: z.array(z.enum(['wasm', 'webgpu', 'webnn', 'cpu'])).optional(),
});

export const ledgerStepSchema = z.object({
  step: z.string(),
  title: z.string(),
  fired: z.number().int(),
  nodesBefore: z.number().int(),
  nodesAfter: z.number().int(),
  fileBytesBefore: z.number(),
  fileBytesAfter: z.number(),
  /** Predicted; null where a size is not known. Absent in reports of earlier versions, as are the next three. */
  macsBefore: z.number().nullable().optional(),
  macsAfter: z.number().nullable().optional(),
  peakActivationBytesBefore: z.number().nullable().optional(),
  peakActivationBytesAfter: z.number().nullable().optional(),
  durationMs: z.number(),
  entries: z.array(z.object({ action: z.string(), from: z.array(z.string()), to: z.array(z.string()) })),
  /** What the step left for the report, by kind: calibrated ranges, sensitivities. */
  facts: z.record(z.string(), z.json()).optional(),
  /** Set when the step was taken back: `fired` is then 0 and before equals after. */
  rolledBack: z
    .object({
      reason: z.enum(['growth', 'drift']),
      message: z.string(),
      /** How often it had fired. */
      fired: z.number().int(),
      /** Of a drift: the output that was off most. */
      output: z.string().optional(),
      /** Over the output's largest magnitude; null when it was no finite number. */
      maxRelativeError: z.number().nullable().optional(),
      tolerance: z.number().optional(),
    })
    .optional(),
});
export type LedgerStep = z.output<typeof ledgerStepSchema>;

/** Whether clean-up and fusion kept the outputs: both models ran on the same inputs while the variant was built. */
export const proofSchema = z.object({
  status: z.enum(['kept', 'rolled-back', 'skipped']),
  /** One plain sentence. */
  reason: z.string(),
  samples: z.number().int(),
  /** Of the worst output, over its largest magnitude. Null where nothing was run. */
  maxRelativeError: z.number().nullable(),
  output: z.string().nullable(),
  tolerance: z.number().nullable(),
});

/** Where the file can run: by operator-by-operator measurement for onnxruntime, by documents for the others. */
export const runtimeFitsSchema = z.object({
  fits: z.array(
    z.object({
      runtime: z.string(),
      title: z.string(),
      hardware: z.string(),
      level: z.enum(['runs', 'partly', 'does-not-run']),
      evidence: z.enum(['measured', 'documented']),
      reasons: z.array(z.string()),
      cost: z.string(),
    }),
  ),
  /** What ties the file to some runtimes. */
  lockIns: z.array(z.string()),
});

/** A variant as built: facts of the file, nothing measured yet. */
export const variantFactsSchema = z.object({
  /** Canonical hash of model and recipe steps. */
  key: z.string(),
  fileBytes: z.number(),
  weightBytes: z.number(),
  weightBytesByDtype: z.record(z.string(), z.number()),
  nodes: z.number().int(),
  parameters: z.number(),
  /** Largest sum of live activations from liveness analysis; null where shapes are unknown. Predicted. */
  predictedPeakActivationBytes: z.number().nullable(),
  predictedMacs: z.number().nullable(),
  /**
   * Weights that the runtime would unpack in every run: their bytes as stored, and in floating point, which is what they
   * take in memory when they are expanded at load. Predicted. Absent where there are none.
   */
  packedWeights: z.object({ storedBytes: z.number(), expandedBytes: z.number() }).optional(),
  /** Absent in reports of earlier versions. */
  runtimes: runtimeFitsSchema.optional(),
  ledger: z.array(ledgerStepSchema),
  advisories: z.array(advisorySchema),
  /** Absent for the original and in reports of earlier versions. */
  proof: proofSchema.optional(),
  buildMs: z.number(),
});
export type VariantFacts = z.output<typeof variantFactsSchema>;

/** Percentiles by linear interpolation between closest ranks (numpy's default). */
export const latencySchema = z.object({
  runs: z.number().int(),
  medianMs: z.number(),
  p5Ms: z.number(),
  p95Ms: z.number(),
  minMs: z.number(),
  /** True when the variants took turns (A B C A B C), so that drift of the machine hits all alike. */
  interleaved: z.boolean(),
  /** ISO 8601: when the turns began. Figures with the same moment took turns with each other; others are of other runs. */
  turnsBeganAt: z.string().optional(),
  /** Every timed run, in order, so that noise can be judged later. */
  samplesMs: z.array(z.number()),
});
export type Latency = z.output<typeof latencySchema>;

export const memorySchema = z.object({
  /** Size of the WASM heap after everything ran; it never shrinks, so this is its peak. Measured; null outside WASM. */
  wasmHeapPeakBytes: z.number().nullable(),
  /** Most bytes of GPU buffers alive at once, counted at the device. Measured; null without WebGPU. */
  gpuBufferPeakBytes: z.number().nullable(),
  /** Growth of the process's resident set, for native runtimes. Measured; null in browsers. */
  processPeakBytes: z.number().nullable(),
});
export type MemoryReading = z.output<typeof memorySchema>;

export const placementSchema = z.object({
  providers: z.array(
    z.object({ provider: z.string(), nodes: z.number().int(), opTypes: z.record(z.string(), z.number().int()) }),
  ),
  /** Copies between devices that the runtime inserted. */
  copies: z.number().int(),
  /** Operators for which the chosen provider had no kernel. */
  missingKernels: z.array(z.string()),
});
/** Which nodes ran on which execution provider. */
export type Placement = z.output<typeof placementSchema>;

export const optimizerLogSchema = z.object({
  /** Passes of onnxruntime that changed the graph, in order. */
  fired: z.array(z.string()),
  /** Every live pass name seen: `disabledOptimizers` is validated against it. */
  known: z.array(z.string()),
  /** Names the recipe switched off that are no pass: they did nothing. */
  unknownDisabled: z.array(z.string()),
});
export type OptimizerLog = z.output<typeof optimizerLogSchema>;

/** Agreement of this target with WASM running the same file on the same inputs. */
export const paritySchema = z.object({
  reference: z.string(),
  samples: z.number().int(),
  maxAbsError: z.number(),
  /** Largest absolute error over the largest absolute value of the reference output. */
  maxRelativeToPeak: z.number(),
  cosine: z.number(),
  verdict: z.enum(['match', 'drift', 'mismatch']),
});
export type Parity = z.output<typeof paritySchema>;

export const metricValueSchema = z.object({
  metric: z.string(),
  value: z.number(),
  interval: z.tuple([z.number(), z.number()]).optional(),
  n: z.number().int(),
});

export const evaluationSchema = z.object({
  metrics: z.array(metricValueSchema),
  scores: z
    .object({ numerators: z.array(z.number()), denominators: z.array(z.number()), continuous: z.boolean().optional() })
    .optional(),
  n: z.number().int(),
  /** Of the values to agree with: NaN or infinite. Absent where none is. */
  notFiniteShare: z.number().optional(),
  examples: z.array(z.object({ expected: z.string(), got: z.string() })).optional(),
});

export const verdictSchema = z.object({
  verdict: z.enum(verdictNames),
  /** One plain sentence with the figures that decided. */
  reason: z.string(),
  /** How much worse than the original, in the gate's mode; positive is worse. */
  worse: z.number().nullable(),
  worseInterval: z.tuple([z.number(), z.number()]).nullable(),
});
export type Verdict = z.output<typeof verdictSchema>;

export const targetMeasurementSchema = z.object({
  target: targetSchema,
  engine: z.object({ name: z.string(), version: z.string() }),
  /** Threads that really ran. */
  threads: z.number().int(),
  /** ISO 8601, when it was measured. */
  measuredAt: z.string(),
  createMs: z.number().nullable(),
  /** First inference: shader compilation and lazy allocation included. */
  firstRunMs: z.number().nullable(),
  latency: latencySchema.nullable(),
  memory: memorySchema.nullable(),
  placement: placementSchema.nullable(),
  optimizers: optimizerLogSchema.nullable(),
  parity: paritySchema.nullable(),
  evaluation: evaluationSchema.nullable(),
  verdict: verdictSchema.nullable(),
  error: errorRecordSchema.nullable(),
});
export type TargetMeasurement = z.output<typeof targetMeasurementSchema>;

export const variantResultSchema = z.object({
  recipe: recipeSchema,
  facts: variantFactsSchema.nullable(),
  error: errorRecordSchema.nullable(),
  measurements: z.array(targetMeasurementSchema),
});
export type VariantResult = z.output<typeof variantResultSchema>;

export const environmentSchema = z.object({
  host: z.enum(['browser', 'node']),
  userAgent: z.string(),
  logicalCores: z.number().int(),
  crossOriginIsolated: z.boolean(),
  webgpuAdapter: z.string().nullable(),
  whittleVersion: z.string(),
});
export type Environment = z.output<typeof environmentSchema>;

export const REPORT_VERSION = 1;

export const reportSchema = z.object({
  format: z.literal('whittle-report'),
  version: z.number().int(),
  createdAt: z.string(),
  environment: environmentSchema,
  model: z.object({
    ref: modelRefSchema,
    name: z.string(),
    sha256: z.string().nullable(),
    fileBytes: z.number(),
    parameters: z.number(),
    nodes: z.number().int(),
  }),
  task: z.object({
    ref: taskRefSchema,
    title: z.string(),
    metrics: z.array(metricDefinitionSchema),
    samples: z.number().int(),
  }),
  gate: gateSchema,
  variants: z.array(variantResultSchema),
  /** What the sender of the link measured on a device of theirs: beside the figures above and never among them. */
  sender: reportSenderSchema.optional(),
});
export type Report = z.output<typeof reportSchema>;
