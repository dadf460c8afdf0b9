/**
 * A project as one zip file: `project.json` (this schema), `results.json`, the model's files below `model/`, the user's
 * arrays below `task/`, and `report.json` for readers that know reports. A zip file is hostile input: sizes, names and
 * hashes are checked by who reads it, everything in the two JSON files by these schemas.
 */
import { z } from 'zod';
import { StudioError } from '../base/errors/index.ts';
import { lensResultSchema, sensitivityResultSchema } from '../precision/results.ts';
import { recipeSchema } from '../recipe/schema.ts';
import { parseStudy } from '../study/link.ts';
import { errorRecordSchema, reportSchema, targetMeasurementSchema, variantFactsSchema } from '../study/results.ts';
import { MAX_VARIANTS, modelRefSchema, type Study } from '../study/schema.ts';

export const PROJECT_VERSION = 1;
export const PROJECT_PART = 'project.json';
export const RESULTS_PART = 'results.json';
export const REPORT_PART = 'report.json';

const hash = z.string().regex(/^[0-9a-f]{64}$/);

export const projectPartSchema = z.object({
  /** In the zip file. */
  part: z.string().min(1).max(1000),
  role: z.enum(['graph', 'data', 'task']),
  /** For data: the path beside the graph that the graph asks for; else the file's name. */
  path: z.string().min(1).max(1000),
  bytes: z.number().int().min(0),
  sha256: hash,
});
export type ProjectPart = z.output<typeof projectPartSchema>;

export const projectFileSchema = z.object({
  format: z.literal('whittle-project'),
  version: z.number().int().min(1),
  name: z.string().min(1).max(120),
  /** ISO 8601 */
  created: z.string().max(40),
  model: z.object({
    ref: modelRefSchema,
    /** As Whittle names stored models; computed again from the bytes. */
    key: z.string().regex(/^(probe-)?[0-9a-f]{64}$/),
    name: z.string().min(1).max(260),
    title: z.string().min(1).max(260),
    sampleId: z.string().max(64).nullable(),
  }),
  /** Checked by itself: it has a version of its own. */
  study: z.unknown(),
  /** Identities of the variants, in their order. */
  ids: z.array(z.string().min(1).max(64)).max(MAX_VARIANTS),
  selectedId: z.string().max(64).nullable(),
  parts: z.array(projectPartSchema).max(20_000),
});
export type ProjectFile = z.output<typeof projectFileSchema>;

export const projectResultsSchema = z.object({
  report: reportSchema.nullable(),
  measured: z.record(
    z.string(),
    z.object({
      recipe: recipeSchema,
      facts: variantFactsSchema.nullable(),
      error: errorRecordSchema.nullable(),
      byTarget: z.record(z.string(), targetMeasurementSchema),
    }),
  ),
  lastMeasuredKey: z.record(z.string(), z.string()),
  lenses: z.record(z.string(), z.object({ key: z.string(), result: lensResultSchema })),
  sensitivity: z.object({ key: z.string(), result: sensitivityResultSchema }).nullable(),
});
export type ProjectResults = z.output<typeof projectResultsSchema>;

export interface CheckedProject extends Omit<ProjectFile, 'study'> {
  readonly study: Study;
}

/** @throws StudioError project/invalid, recipe/from-the-future, recipe/* */
export function parseProjectFile(text: string): CheckedProject {
  const json = parseJson(text, PROJECT_PART);
  const version = (json as { version?: unknown } | null)?.version;
  // Before anything else: a later version may look quite different.
  if (typeof version === 'number' && version > PROJECT_VERSION)
    throw new StudioError('recipe/from-the-future', {
      what: 'project',
      seen: version,
      supported: PROJECT_VERSION,
    });
  const file = checked(projectFileSchema, json, PROJECT_PART);
  const study = parseStudy(file.study);
  if (!study.ok) throw study.error;
  const count = (role: ProjectPart['role']) => file.parts.filter((part) => part.role === role).length;
  if (count('graph') !== 1) throw invalid(PROJECT_PART, 'parts', 'there must be exactly one graph');
  return { ...file, study: study.value };
}

/** @throws StudioError project/invalid */
export function parseProjectResults(text: string): ProjectResults {
  return checked(projectResultsSchema, parseJson(text, RESULTS_PART), RESULTS_PART);
}

function parseJson(text: string, part: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(part, 'the text', `it is not JSON (${error instanceof Error ? error.message : String(error)})`);
  }
}

function checked<T>(schema: z.ZodType<T>, json: unknown, part: string): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalid(part, issue?.path.join('.') || 'its beginning', issue?.message ?? 'it does not fit the format');
}

function invalid(part: string, path: string, reason: string): StudioError {
  return new StudioError('project/invalid', { part, path, reason });
}
