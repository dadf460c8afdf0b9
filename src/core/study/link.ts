/**
 * A study as the fragment of a URL: `w1.` + base64url(deflate-raw(compact JSON)). The scheme prefix is the version of
 * the packing; the JSON inside carries the versions of study and recipes. A fragment is hostile input: its size is
 * capped before and while inflating, and everything inside is validated.
 *
 * Beside the study it may carry a summary of what the sender measured (`f`, pack-figures.ts), which readers of earlier
 * versions pass over.
 */
import { deflateSync, Inflate } from 'fflate';
import { fromBase64Url, toBase64Url } from '../base/base64url.ts';
import { StudioError } from '../base/errors/index.ts';
import { canonicalJson } from '../base/json.ts';
import { err, ok, type Result } from '../base/result.ts';
import { fromZodError, parseRecipe } from '../recipe/parse.ts';
import { stepRegistry } from '../recipe/registry.ts';
import { RECIPE_VERSION, type Recipe, type RecipeStep, recipeSchema } from '../recipe/schema.ts';
import { packFigures, unpackFigures } from './pack-figures.ts';
import { STUDY_VERSION, type Study, studySchema } from './schema.ts';
import type { SharedFigures } from './shared-figures.ts';

const SCHEME = 'w1.';
const MAX_FRAGMENT_CHARACTERS = 64_000;
const MAX_JSON_BYTES = 1_000_000;

export interface LinkContents {
  readonly study: Study;
  /** What the sender measured. */
  readonly figures: SharedFigures | null;
  /** Why figures that the link has cannot be shown. The study is whole without them. */
  readonly figuresError: StudioError | null;
}

/**
 * @param figures of the study's variants and targets
 * @returns the fragment without '#'
 */
export function encodeStudy(study: Study, figures: SharedFigures | null = null): string {
  const packed = figures && packFigures(figures, study.targets.length);
  const json = canonicalJson({ ...compactStudy(study), ...(packed ? { f: packed } : {}) });
  return SCHEME + toBase64Url(deflateSync(new TextEncoder().encode(json), { level: 9 }));
}

/** @param fragment with or without its leading '#' */
export function decodeStudy(fragment: string): Result<Study> {
  const link = decodeLink(fragment);
  return link.ok ? ok(link.value.study) : link;
}

/** @param fragment with or without its leading '#' */
export function decodeLink(fragment: string): Result<LinkContents> {
  const text = fragment.startsWith('#') ? fragment.slice(1) : fragment;
  if (text.length > MAX_FRAGMENT_CHARACTERS)
    return err(new StudioError('link/too-large', { bytes: text.length, limit: MAX_FRAGMENT_CHARACTERS }));
  const scheme = /^w(\d{1,4})\./.exec(text);
  if (!scheme) return err(new StudioError('link/invalid', { reason: 'it does not begin with "w1."' }));
  if (scheme[0] !== SCHEME)
    return err(new StudioError('recipe/from-the-future', { what: 'link', seen: Number(scheme[1]), supported: 1 }));
  const packed = fromBase64Url(text.slice(SCHEME.length));
  if (!packed || packed.length === 0)
    return err(new StudioError('link/invalid', { reason: 'it has characters that no link has, or is cut off' }));
  const json = inflateBounded(packed);
  if (!json.ok) return json;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json.value));
  } catch {
    return err(new StudioError('link/invalid', { reason: 'its contents are damaged' }));
  }
  const study = parseStudy(expandStudy(value));
  if (!study.ok) return study;
  const { f: carried } = value as { f?: unknown };
  if (carried === undefined) return ok({ study: study.value, figures: null, figuresError: null });
  const figures = unpackFigures(carried, study.value.variants.length, study.value.targets.length);
  return ok({
    study: study.value,
    figures: figures.ok ? figures.value : null,
    figuresError: figures.ok ? null : figures.error,
  });
}

/** Checks a study from a link, a project file or storage: its own fields, then every recipe against the registry. */
export function parseStudy(json: unknown): Result<Study> {
  const version = (json as { version?: unknown } | null)?.version ?? STUDY_VERSION;
  if (typeof version === 'number' && version > STUDY_VERSION)
    return err(new StudioError('recipe/from-the-future', { what: 'study', seen: version, supported: STUDY_VERSION }));
  const parsed = studySchema.safeParse(json);
  if (!parsed.success) return err(fromZodError(parsed.error));
  const variants: Recipe[] = [];
  for (const variant of parsed.data.variants) {
    const recipe = parseRecipe(variant);
    if (!recipe.ok) return recipe;
    variants.push(recipe.value);
  }
  return ok({ ...parsed.data, variants });
}

function inflateBounded(packed: Uint8Array): Result<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  let finished = false;
  try {
    const inflate = new Inflate((chunk, final) => {
      total += chunk.length;
      // Thrown out of the decompressor, so that a bomb stops growing at once.
      if (total > MAX_JSON_BYTES) throw new StudioError('link/too-large', { bytes: total, limit: MAX_JSON_BYTES });
      chunks.push(chunk);
      finished ||= final;
    });
    // In small pieces: the bound is checked after each.
    for (let at = 0; at < packed.length; at += 1024)
      inflate.push(packed.subarray(at, at + 1024), at + 1024 >= packed.length);
  } catch (error) {
    return err(
      error instanceof StudioError
        ? error
        : new StudioError('link/invalid', { reason: 'its contents are damaged or cut off' }),
    );
  }
  if (!finished) return err(new StudioError('link/invalid', { reason: 'it is cut off' }));
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return ok(bytes);
}

/** Members that have no default to fall back on. */
const ALWAYS_KEPT: ReadonlySet<string> = new Set(['version', 'model', 'task']);

/** Leaves out whatever is a default: links stay short, and stay valid when new parameters are added. */
function compactStudy(study: Study): object {
  const { format: _format, variants, ...rest } = study;
  const defaults = studySchema.parse({ model: study.model, task: study.task, variants: [{}] });
  const changed = Object.fromEntries(
    Object.entries(rest).filter(
      ([key, value]) => ALWAYS_KEPT.has(key) || canonicalJson(value) !== canonicalJson(defaults[key as keyof Study]),
    ),
  );
  return { ...changed, variants: variants.map(compactRecipe) };
}

function compactRecipe(recipe: Recipe): unknown {
  const runtimeDefaults: Record<string, unknown> = recipeSchema.parse({}).runtime;
  const runtime = Object.fromEntries(
    Object.entries(recipe.runtime).filter(
      ([key, value]) => canonicalJson(value) !== canonicalJson(runtimeDefaults[key]),
    ),
  );
  return {
    n: recipe.name,
    ...(recipe.version === RECIPE_VERSION ? {} : { v: recipe.version }),
    ...(recipe.steps.length > 0 ? { s: recipe.steps.map(compactStep) } : {}),
    ...(Object.keys(runtime).length > 0 ? { r: runtime } : {}),
  };
}

function compactStep(step: RecipeStep): unknown {
  const definition = stepRegistry.get(step.id);
  const defaults = definition ? (definition.params.parse({}) as Record<string, unknown>) : {};
  const params = Object.fromEntries(
    Object.entries(step.params).filter(([key, value]) => canonicalJson(value) !== canonicalJson(defaults[key])),
  );
  return Object.keys(params).length > 0 ? [step.id, params] : step.id;
}

/** The inverse of `compactStudy` on unchecked JSON: anything odd is passed on for the schema to refuse. */
function expandStudy(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || !Array.isArray((value as { variants?: unknown }).variants))
    return value;
  const study = value as Record<string, unknown> & { variants: unknown[] };
  return { ...study, format: 'whittle-study', variants: study.variants.map(expandRecipe) };
}

function expandRecipe(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  const { n, v, s, r } = value as { n?: unknown; v?: unknown; s?: unknown; r?: unknown };
  return {
    format: 'whittle-recipe',
    version: v ?? RECIPE_VERSION,
    name: n,
    steps: Array.isArray(s) ? s.map(expandStep) : (s ?? []),
    runtime: r ?? {},
  };
}

function expandStep(value: unknown): unknown {
  if (typeof value === 'string') return { id: value, params: {} };
  if (Array.isArray(value)) return { id: value[0], params: value[1] ?? {} };
  return value;
}
