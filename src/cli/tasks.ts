/** Which task judges the variants: a sample's, the user's own arrays, or random inputs over the user's own model. */

import { type FreeInput, suggestInputs } from '../core/analysis/default-inputs.ts';
import { weightSummary } from '../core/analysis/weights.ts';
import { StudioError } from '../core/base/errors/index.ts';
import { loadTask } from '../core/eval/tasks/load-task.ts';
import { randomFeeds } from '../core/eval/tasks/random-inputs.ts';
import { readUserArrays } from '../core/eval/tasks/user-arrays.ts';
import type { Feeds, InputSpec, TaskSource } from '../core/eval/types.ts';
import type { Model } from '../core/ir/types.ts';
import { forEachNode } from '../core/ir/walk.ts';
import type { PreparedTask } from '../core/study/ports.ts';
import type { Gate, Study, TaskRef } from '../core/study/schema.ts';
import { type Parsed, UsageError } from './args.ts';
import { type FoundSample, listSamples } from './samples.ts';
import { fileTaskFiles, readArrayFiles } from './task-files.ts';

export interface ChosenTask {
  readonly ref: TaskRef;
  readonly prepare: () => Promise<PreparedTask>;
  /** Values of free dimensions, for predictions. */
  readonly dims: Readonly<Record<string, number>>;
  readonly modelFacts: { readonly parameters: number; readonly nodes: number };
  /** The rule that suits the task's metric, where the task has one of its own. */
  readonly gate?: Gate | undefined;
}

export interface TaskRequest {
  readonly parsed: Parsed;
  readonly model: Model;
  readonly sample: FoundSample | undefined;
  readonly linked: Study | undefined;
}

export async function chooseTask(request: TaskRequest): Promise<ChosenTask> {
  const { parsed, model, linked } = request;
  const facts = modelFacts(model);
  const given = [...parsed.strings('inputs'), ...parsed.strings('expect')];
  if (given.length > 0) {
    if (parsed.string('task')) throw new UsageError('give --inputs or --task, not both.');
    return { ...(await arraysTask(request)), modelFacts: facts };
  }
  const named = parsed.string('task') ?? (linked?.task.kind === 'sample-task' ? linked.task.id : undefined);
  const sample =
    named && named !== 'random' ? await sampleOfTask(named) : named === 'random' ? undefined : request.sample;
  if (!sample) {
    if (linked?.task.kind === 'files' && !named)
      throw new UsageError(
        `the link's task needs its own arrays, which no link carries: give --inputs (${linked.task.names.slice(0, 5).join(', ')}), or --task random.`,
      );
    return { ...randomTask(request), modelFacts: facts };
  }
  const linkedLimit =
    linked?.task.kind === 'sample-task' && linked.task.id === sample.task.id ? linked.task.limit : undefined;
  const limit = parsed.number('samples', Math.min(linkedLimit ?? Infinity, sample.evaluationSamples), {
    min: 1,
    max: sample.evaluationSamples,
    integer: true,
  });
  const ref: TaskRef = { kind: 'sample-task', id: sample.task.id, limit };
  const source: TaskSource = { kind: 'sample-task', id: sample.task.id, assetBase: sample.dataDirectory };
  return { ref, dims: sample.dims, modelFacts: facts, gate: sample.gate, prepare: () => prepareTask(source, ref) };
}

/** The user's own arrays: agreement with what they expect, else with the original. */
async function arraysTask({ parsed, model }: TaskRequest): Promise<Omit<ChosenTask, 'modelFacts'>> {
  const paths = parsed.strings('inputs');
  if (paths.length === 0) throw new UsageError('--expect goes with --inputs.');
  const inputs = freeInputs(model);
  const outputs = model.graph.outputs.flatMap(({ name, type }) =>
    type?.kind === 'tensor' ? [{ name, dtype: type.dtype, shape: type.shape }] : [],
  );
  const arrays = await readUserArrays(await readArrayFiles(paths), inputs, outputs);
  const expecting = parsed.strings('expect');
  const expected =
    expecting.length > 0
      ? (await readUserArrays(await readArrayFiles(expecting), outputs, [])).feeds
      : arrays.references;
  if (expected && expected.length !== arrays.feeds.length)
    throw new StudioError('task/bad-inputs', {
      reason: `there are ${arrays.feeds.length} inputs but ${expected.length} expected outputs`,
    });
  const limit = parsed.number('samples', arrays.feeds.length, { min: 1, max: arrays.feeds.length, integer: true });
  const feeds = arrays.feeds.slice(0, limit);
  const source: TaskSource = { kind: 'agreement', feeds, references: expected?.slice(0, limit) ?? null };
  const ref: TaskRef = { kind: 'files', names: [...paths, ...expecting].slice(0, 10_000) };
  const dims = { ...dimsOfFeeds(inputs, feeds[0]!), ...chosenDims(model, parsed.strings('dim')) };
  return { ref, dims, prepare: () => prepareTask(source, ref) };
}

/** What the free dimensions are in a sample, for predictions. */
function dimsOfFeeds(inputs: readonly FreeInput[], feeds: Feeds): Record<string, number> {
  return Object.fromEntries(
    inputs.flatMap(({ name, shape = [] }) =>
      shape.flatMap((dim, axis) => (typeof dim === 'string' ? [[dim, feeds.get(name)!.dims[axis]!]] : [])),
    ),
  );
}

async function sampleOfTask(id: string): Promise<FoundSample> {
  const samples = await listSamples();
  const found = samples.find((sample) => sample.task.id === id);
  if (!found)
    throw new UsageError(
      `There is no task "${id}". There are: random, ${samples.map((sample) => sample.task.id).join(', ')}.`,
    );
  return found;
}

function randomTask({ parsed, model, linked }: TaskRequest): Omit<ChosenTask, 'modelFacts'> {
  const linkedRandom = linked?.task.kind === 'random' ? linked.task : undefined;
  const seed = parsed.number('seed', linkedRandom?.seed ?? 1, { min: 0, max: 2 ** 31, integer: true });
  const samples = parsed.number('samples', linkedRandom?.samples ?? 16, { min: 1, max: 10_000, integer: true });
  const dims = chosenDims(model, parsed.strings('dim'));
  const inputs = freeInputs(model);
  const specs: InputSpec[] = suggestInputs(inputs, dims).map((suggested) => {
    const found = linkedRandom?.inputs.find(({ name }) => name === suggested.name);
    // A link may come from another model.
    const given = found?.dims.length === suggested.dims.length ? found : undefined;
    for (const { axis, symbol, value } of given ? [] : suggested.assumed)
      process.stderr.write(
        `${suggested.name}: dimension ${symbol ?? axis} is free, taken as ${value} (--dim ${symbol ?? `${suggested.name}:${axis}`}=N changes it)\n`,
      );
    return { ...suggested, ...given };
  });
  const ref: TaskRef = {
    kind: 'random',
    seed,
    samples,
    inputs: specs.map(({ name, dims: sizes, distribution, max }) => ({ name, dims: [...sizes], distribution, max })),
  };
  const feeds = randomFeeds(specs, samples, seed);
  const source: TaskSource = { kind: 'agreement', feeds, generated: true, references: null };
  return { ref, dims: { ...dimsOfFeeds(inputs, feeds[0]!), ...dims }, prepare: () => prepareTask(source, ref) };
}

/** Inputs that a caller must give: those without a default value. */
function freeInputs(model: Model): FreeInput[] {
  return model.graph.inputs
    .filter(({ name }) => !model.graph.initializers.has(name))
    .map(({ name, type }) => {
      if (type?.kind !== 'tensor')
        throw new UsageError(`input "${name}" is not a tensor; the command line cannot feed it.`);
      return { name, dtype: type.dtype, shape: type.shape };
    });
}

/**
 * Sizes of free dimensions, by name, or as INPUT:AXIS where one has none.
 * @throws UsageError for a name that the model does not have: its figures would be those of another shape
 */
export function chosenDims(model: Model, texts: readonly string[]): Record<string, number> {
  const dims = parseDims(texts);
  const { inputs, outputs, valueInfo } = model.graph;
  const named = [...inputs, ...outputs, ...valueInfo.values()].flatMap(({ type }) =>
    type?.kind === 'tensor' ? (type.shape ?? []).filter((dim) => typeof dim === 'string') : [],
  );
  const axes = inputs.flatMap(({ name, type }) =>
    type?.kind === 'tensor' ? (type.shape ?? []).map((dim, axis) => ({ dim, key: `${name}:${axis}` })) : [],
  );
  const unnamed = axes.flatMap(({ dim, key }) => (typeof dim === 'number' || typeof dim === 'string' ? [] : [key]));
  const odd = Object.keys(dims).find(
    (name) => !named.includes(name) && !axes.some(({ dim, key }) => key === name && typeof dim !== 'number'),
  );
  if (odd === undefined) return dims;
  const free = [...new Set([...named, ...unnamed])].slice(0, 20);
  throw new UsageError(
    free.length > 0
      ? `the model has no free dimension "${odd}"; it has: ${free.join(', ')}.`
      : `the model has no free dimension "${odd}": all its sizes are fixed.`,
  );
}

function parseDims(texts: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, name, value] = /^(.+)=(\d+)$/.exec(text) ?? [];
      if (!name || !value) throw new UsageError(`--dim takes NAME=N; it was "${text}".`);
      return [name, Number(value)];
    }),
  );
}

async function prepareTask(source: TaskSource, ref: TaskRef): Promise<PreparedTask> {
  const task = await loadTask(source, fileTaskFiles(source.kind === 'sample-task' ? source.assetBase : ''));
  const { title, metrics, sampleCount } = task;
  return {
    source,
    summary: { title, metrics, sampleCount, latencyFeeds: task.latencyFeeds() },
    key: JSON.stringify(ref),
  };
}

function modelFacts(model: Model): ChosenTask['modelFacts'] {
  let nodes = 0;
  forEachNode(model, () => {
    nodes += 1;
  });
  return { parameters: weightSummary(model).parameters, nodes };
}
