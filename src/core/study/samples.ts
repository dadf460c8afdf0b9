/** The sample gallery: the format of public/samples/index.json, shared by the page, the command line and the scripts. */
import { z } from 'zod';
import { gateSchema } from './schema.ts';

export const sampleSchema = z.object({
  /** Also the folder below public/samples/ in which its task's data lie. */
  id: z.string().regex(/^[a-z0-9-]+$/),
  title: z.string(),
  /** Heading in the gallery; those with the same one stand together. */
  group: z.string().default(''),
  /** One line: what it is and what there is to see. */
  story: z.string(),
  /** Of the model; data licences are in NOTICE. */
  licence: z.string(),
  /** The model file, relative to public/samples/. */
  model: z.string(),
  modelBytes: z.number().int(),
  /** Where the file comes from, relative to the repository, when it is not committed but copied at build time. */
  packagePath: z.string().optional(),
  /** Where it comes from and what it reaches (`sampleCardSchema`), relative to public/samples/; for models of our own. */
  card: z.string().optional(),
  /** Task id, and the folder of its data relative to public/samples/, ending in '/'. */
  task: z.object({ id: z.string(), data: z.string() }),
  /** How many samples a first, quick evaluation takes; all of them on demand. */
  quickSamples: z.number().int().min(1),
  evaluationSamples: z.number().int().min(1),
  calibrationSamples: z.number().int().min(0),
  /** Presets that the gallery starts with, beside the original. */
  presets: z.array(z.string()),
  /** The rule that suits its metric: 2 % of an error rate of 1 % would be within the noise of any data this small. */
  gate: gateSchema.optional(),
  /** Values of the model's free dimensions that fit the task, for predictions. */
  dims: z.record(z.string(), z.number().int()).default({}),
});
export type Sample = z.output<typeof sampleSchema>;

/** The part of a model card that is shown; training/ writes more. */
export const sampleCardSchema = z.object({
  data: z.string(),
  licence: z.string(),
  architecture: z.string(),
  /** What a reader might otherwise take for something that it is not. */
  honesty: z.string().optional(),
  what_to_try: z.array(z.string()),
  training: z.object({ seconds: z.number(), hardware: z.string(), steps: z.number(), seed: z.number() }),
  /** Figures by name, with their n, of the float32 model by onnxruntime on the CPU. */
  metrics: z.object({ fp32: z.record(z.string(), z.number()) }),
});
export type SampleCard = z.output<typeof sampleCardSchema>;

export const sampleIndexSchema = z.object({ samples: z.array(sampleSchema) });
