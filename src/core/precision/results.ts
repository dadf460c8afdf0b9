/** What choosing precision by measurement finds out. Everything here is JSON; units are in the names. */
import { z } from 'zod';
import type { AgreementTerms } from '../eval/agreement.ts';
import { cosineSimilarity, sqnrDecibels } from '../eval/agreement.ts';

/** How far values are from the original's, over all elements of all samples. */
export const errorFiguresSchema = z.object({
  /** 20 log10(|x| / |x - y|) with x the original's values; cut off at +-200, and -200 where one of the two is not finite. */
  sqnrDb: z.number(),
  /** -1 to 1; 0 where one of the two is not finite. */
  cosine: z.number(),
  /** Largest |x - y| among finite values. */
  maxAbs: z.number(),
});
export type ErrorFigures = z.output<typeof errorFiguresSchema>;

export function errorFigures(terms: AgreementTerms): ErrorFigures {
  return { sqnrDb: sqnrDecibels(terms), cosine: cosineSimilarity(terms), maxAbs: terms.maxAbs };
}

/** A node of the original that computes a floating-point value. */
export const layerSchema = z.object({
  /** The node's name, else its first output's: what patterns of recipes match. */
  name: z.string(),
  opType: z.string(),
  /** Position among all nodes of the main graph, in topological order. */
  order: z.number().int(),
  /** The value that is compared. */
  output: z.string(),
  /** Elements of its constant floating-point weights of two dimensions or more. */
  parameters: z.number(),
  /** Bytes of these weights in the original. */
  weightBytes: z.number(),
});
export type Layer = z.output<typeof layerSchema>;

export const lensLayerSchema = layerSchema.extend({
  /** Whether the variant computes it by other nodes or from other weights. */
  changed: z.boolean(),
  /** The layer alone, given the original's inputs. */
  local: errorFiguresSchema,
  /** The variant run from the start: what all layers before have done to it as well. */
  accumulated: errorFiguresSchema,
});
export type LensLayer = z.output<typeof lensLayerSchema>;

const originSchema = z.enum(['calibration-split', 'task-inputs', 'generated']);

export const LENS_VERSION = 1;
export const lensResultSchema = z.object({
  format: z.literal('whittle-lens'),
  version: z.number().int(),
  /** In topological order. */
  layers: z.array(lensLayerSchema),
  /** Layers of the original that the variant has no value for under the same name: fused, renamed, inside subgraphs. */
  unmatched: z.object({ count: z.number().int(), names: z.array(z.string()) }),
  /** The outputs of the whole model, accumulated. */
  outputs: z.array(errorFiguresSchema.extend({ name: z.string() })),
  samples: z.number().int(),
  origin: originSchema,
});
export type LensResult = z.output<typeof lensResultSchema>;

/**
 * What a layer may be stored in. `keep` leaves it as it is; 2 to 8 are bits of blockwise weights; int8 has its activations
 * quantized while it runs, int8-static by calibrated scales, int8-weights not at all.
 */
export const candidateIds = ['keep', '2', '3', '4', '8', 'int8-weights', 'int8', 'int8-static'] as const;
export type CandidateId = (typeof candidateIds)[number];

export const sensitivityPointSchema = z.object({
  candidate: z.enum(candidateIds),
  /** Of the layer's weights with everything that belongs to them (scales, zero points). */
  bytes: z.number(),
  /** Of the layer's output given the original's inputs. */
  localSqnrDb: z.number(),
  /**
   * Effect on the model's outputs when only this layer is stored so. `kl`: mean KL divergence from the original over
   * all rows of class scores, nats. `relative-error`: |x - y|^2 / |x|^2 over all outputs. Never below 0; `keep` has 0.
   */
  loss: z.number(),
  /** Share of rows whose best class is still the original's; null where no output holds class scores. */
  agreement: z.number().nullable(),
});
export type SensitivityPoint = z.output<typeof sensitivityPointSchema>;

export const sensitiveLayerSchema = layerSchema.extend({
  /** Layers with the same key read the same stored weight: choosing differently stores it twice. */
  weightKey: z.string(),
  /** Layers with the same key read the same activation (query, key and value of one attention). */
  inputKey: z.string(),
  /** One a candidate that fits the layer, `keep` always among them. */
  points: z.array(sensitivityPointSchema),
});
export type SensitiveLayer = z.output<typeof sensitiveLayerSchema>;

export const SENSITIVITY_VERSION = 1;
export const sensitivityResultSchema = z.object({
  format: z.literal('whittle-sensitivity'),
  version: z.number().int(),
  /** Identifies what was measured: partial results of another key are not continued. */
  key: z.string(),
  candidates: z.array(z.enum(candidateIds)),
  blockSize: z.number().int(),
  lossKind: z.enum(['kl', 'relative-error']),
  /** In topological order; ranking is the reader's. */
  layers: z.array(sensitiveLayerSchema),
  /** Layers to be measured in all; fewer in `layers` while it runs or after a cancel. */
  layersInAll: z.number().int(),
  samples: z.number().int(),
  origin: originSchema,
  /** Bytes of the whole model as one file, with every layer kept. */
  modelBytes: z.number(),
});
export type SensitivityResult = z.output<typeof sensitivityResultSchema>;
