/**
 * The error lens: for every layer of the original, how far the variant is from it; the layer alone (local) against the
 * variant run from the start (accumulated). Values are matched by their names, since quantizers rewrite nodes and keep
 * the names of what these make (onnxruntime 1.30, qdq_loss_debug.py, has the same two figures for QDQ models).
 */
import { throwIfCancelled } from '../base/cancel.ts';
import { StudioError } from '../base/errors/index.ts';
import type { JobContext } from '../base/progress.ts';
import { checkFeeds, firstOf } from '../calib/collect-activations.ts';
import { type AgreementTerms, addTerms, agreementTerms, noTerms } from '../eval/agreement.ts';
import { numbersOf } from '../eval/host-tensors.ts';
import type { Feeds } from '../eval/types.ts';
import type { Model } from '../ir/types.ts';
import type { CalibrationSource, Executor } from '../step/define.ts';
import { isFloat, type MatchedLayer, type MatchedValues, matchValues } from './layers.ts';
import { nodesBetween, type PartRequest } from './part.ts';
import { errorFigures, LENS_VERSION, type LensResult } from './results.ts';
import { openPart, type PartSession } from './sessions.ts';
import { valueSizes } from './value-sizes.ts';

export interface LensRequest {
  /** A floating-point model; nodes in topological order. */
  readonly original: Model;
  /** Made from it by steps that keep the names of values. Both up to 1 GB of weights. */
  readonly variant: Model;
  readonly executor: Executor;
  readonly source: CalibrationSource;
  readonly job: JobContext;
  /** Only the first so many samples. */
  readonly maxSamples?: number | undefined;
  /** How many bytes of activations one run may give back; a single larger layer is looked at all the same. */
  readonly budgetBytes?: number | undefined;
}

const DEFAULT_SAMPLES = 8;
const DEFAULT_BUDGET_BYTES = 128 << 20;
/** More names than these nobody reads. */
const NAMES_SHOWN = 100;

/**
 * Streams: one sample and one group of layers are in memory at a time.
 * @throws StudioError calib/too-few-samples, calib/missing-value, calib/model-too-large, task/shape-mismatch, job/cancelled,
 *   runtime/*
 */
export async function errorLens(request: LensRequest): Promise<LensResult> {
  const { original, source } = request;
  const matched = matchValues(original, request.variant);
  const { variant } = matched;
  const sheet = new LensSheet();
  const outputs = comparableOutputs(original, variant, matched);
  const sizes = valueSizes(original, await firstOf(source));
  const groups = groupLayers(matched.layers, sizes, request.budgetBytes ?? DEFAULT_BUDGET_BYTES);
  groups.push([]);
  let samples = 0;
  for (const [index, layers] of groups.entries()) {
    const isLast = index === groups.length - 1;
    const places = await openPlaces(request, matched, layers, isLast ? outputs : []);
    try {
      const part = { index, of: groups.length };
      samples = await runSamples(request, places, part, (values) => sheet.add(layers, isLast ? outputs : [], values));
    } finally {
      for (const place of Object.values(places)) await (place as PartSession | undefined)?.close();
    }
  }
  const { unmatched } = matched;
  return {
    format: 'whittle-lens',
    version: LENS_VERSION,
    layers: matched.layers.map(({ node: _, ...layer }) => ({ ...layer, ...sheet.of(layer.output) })),
    unmatched: { count: unmatched.length, names: unmatched.slice(0, NAMES_SHOWN) },
    outputs: outputs.map((name) => ({ name, ...errorFigures(sheet.accumulated.get(name) ?? noTerms) })),
    samples,
    origin: source.origin,
  };
}

interface Places {
  readonly original: PartSession;
  /** Layers by themselves; absent where none of the group has changed. */
  readonly alone: PartSession | undefined;
  readonly variant: PartSession;
}

async function openPlaces(
  { original, executor, job }: LensRequest,
  matched: MatchedValues,
  layers: readonly MatchedLayer[],
  outputs: readonly string[],
): Promise<Places> {
  const { variant } = matched;
  const changed = layers.filter(({ changed: is }) => is).map(({ output }) => output);
  const given = matched.values;
  const needed = [...nodesBetween(variant.graph.nodes, given, new Set(changed)).read].filter((name) => given.has(name));
  const compared = [...layers.map(({ output }) => output), ...outputs];
  const nothing: ReadonlySet<string> = new Set();
  const types = { dtypeOf: matched.variantType, feedTypeOf: matched.originalType };
  const requests: Record<'original' | 'variant' | 'alone', PartRequest> = {
    original: {
      model: original,
      given: nothing,
      wanted: new Set([...compared, ...needed]),
      dtypeOf: matched.originalType,
    },
    variant: { model: variant, given: nothing, wanted: new Set(compared), ...types },
    // What is given to a layer is what `original` gives back: float32 whatever the original computes in.
    alone: {
      model: variant,
      given,
      wanted: new Set(changed),
      dtypeOf: matched.variantType,
      feedTypeOf: (name) => boundaryType(matched, name),
    },
  };
  const opened: PartSession[] = [];
  try {
    for (const name of ['original', 'variant', 'alone'] as const)
      if (name !== 'alone' || changed.length > 0) opened.push(await openPart(executor, requests[name], job.signal));
  } catch (error) {
    for (const session of opened) await session.close();
    throw error;
  }
  return { original: opened[0]!, variant: opened[1]!, alone: opened[2] };
}

/** Values made by nodes leave a part as float32 where they are floating point; inputs of the graph stay what they are. */
function boundaryType(matched: MatchedValues, name: string) {
  const dtype = matched.originalType(name);
  return matched.values.has(name) && isFloat(dtype) ? 'float32' : dtype;
}

interface SampleValues {
  readonly original: Feeds;
  readonly alone: Feeds;
  readonly variant: Feeds;
}

async function runSamples(
  { original: model, source, job, maxSamples = DEFAULT_SAMPLES }: LensRequest,
  places: Places,
  part: { readonly index: number; readonly of: number },
  take: (values: SampleValues) => void,
): Promise<number> {
  let samples = 0;
  for await (const feeds of source.feeds()) {
    if (samples >= maxSamples) break;
    throwIfCancelled(job.signal);
    await job.yield();
    const stage = `comparing layers (part ${part.index + 1} of ${part.of})`;
    job.onProgress({ stage, done: samples, total: null, unit: 'samples' });
    checkFeeds(model, feeds);
    const original = await places.original.run(feeds);
    const alone = places.alone ? await places.alone.run(new Map([...feeds, ...original])) : new Map();
    take({ original, alone, variant: await places.variant.run(feeds) });
    samples += 1;
  }
  return samples;
}

/** Sums of errors by value, over samples. */
class LensSheet {
  readonly local = new Map<string, AgreementTerms>();
  readonly accumulated = new Map<string, AgreementTerms>();

  add(layers: readonly MatchedLayer[], outputs: readonly string[], values: SampleValues): void {
    for (const { output } of layers) {
      const alone = values.alone.get(output);
      // A layer that has not changed computes the same from the same inputs.
      if (alone) note(this.local, output, { ...values, variant: values.alone });
      note(this.accumulated, output, values);
    }
    for (const output of outputs) note(this.accumulated, output, values);
  }

  of(output: string) {
    return {
      local: errorFigures(this.local.get(output) ?? noTerms),
      accumulated: errorFigures(this.accumulated.get(output) ?? noTerms),
    };
  }
}

function note(sums: Map<string, AgreementTerms>, name: string, { original, variant }: SampleValues): void {
  const terms = termsBetween(name, variant, original);
  sums.set(name, addTerms(sums.get(name) ?? noTerms, terms));
}

/** @throws StudioError calib/missing-value where one has no such value, or one of another size */
export function termsBetween(name: string, got: Feeds, expected: Feeds): AgreementTerms {
  const [x, y] = [got.get(name), expected.get(name)];
  const [a, b] = [x && numbersOf(x), y && numbersOf(y)];
  if (!a || !b || a.length !== b.length) throw new StudioError('calib/missing-value', { tensor: name });
  return agreementTerms(a, b);
}

/** Floating-point outputs that both models have. */
function comparableOutputs(original: Model, variant: Model, { originalType, variantType }: MatchedValues): string[] {
  const theirs = new Set(variant.graph.outputs.map(({ name }) => name));
  return original.graph.outputs
    .map(({ name }) => name)
    .filter((name) => theirs.has(name) && isFloat(originalType(name)) && isFloat(variantType(name)));
}

/** Consecutive layers whose values fit into the budget together. */
export function groupLayers<L extends { readonly output: string }>(
  layers: readonly L[],
  bytesOf: (value: string) => number,
  budgetBytes: number,
): L[][] {
  const groups: L[][] = [];
  let held = 0;
  for (const layer of layers) {
    // The original's value, the variant's, and the layer's own.
    const bytes = 3 * bytesOf(layer.output);
    const last = groups.at(-1);
    if (last && held + bytes <= budgetBytes) {
      last.push(layer);
      held += bytes;
    } else {
      groups.push([layer]);
      held = bytes;
    }
  }
  return groups;
}
