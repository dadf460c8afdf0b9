/** Which task judges the variants: a sample's, or random inputs over the user's own model. */
import { weightSummary } from '../core/analysis/weights.ts';
import { loadTask } from '../core/eval/tasks/load-task.ts';
import { randomFeeds } from '../core/eval/tasks/random-inputs.ts';
import type { InputSpec, TaskSource } from '../core/eval/types.ts';
import type { Model } from '../core/ir/types.ts';
import { forEachNode } from '../core/ir/walk.ts';
import { type FreeInput, suggestInputs } from '../core/study/default-inputs.ts';
import type { PreparedTask } from '../core/study/ports.ts';
import type { Study, TaskRef } from '../core/study/schema.ts';
import { type Parsed, UsageError } from './args.ts';
import { type FoundSample, listSamples } from './samples.ts';
import { fileTaskFiles } from './task-files.ts';

export interface ChosenTask {
  readonly ref: TaskRef;
  readonly prepare: () => Promise<PreparedTask>;
  /** Values of free dimensions, for predictions. */
  readonly dims: Readonly<Record<string, number>>;
  readonly modelFacts: { readonly parameters: number; readonly nodes: number };
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
  const named = parsed.string('task') ?? (linked?.task.kind === 'sample-task' ? linked.task.id : undefined);
  const sample =
    named && named !== 'random' ? await sampleOfTask(named) : named === 'random' ? undefined : request.sample;
  if (!sample) return { ...randomTask(request), modelFacts: facts };
  const limit = parsed.number('samples', sample.evaluationSamples, {
    min: 1,
    max: sample.evaluationSamples,
    integer: true,
  });
  const ref: TaskRef = { kind: 'sample-task', id: sample.task.id, limit };
  const source: TaskSource = { kind: 'sample-task', id: sample.task.id, assetBase: sample.dataDirectory };
  return { ref, dims: sample.dims, modelFacts: facts, prepare: () => prepareTask(source, ref) };
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
  const dims = parseDims(parsed.strings('dim'));
  const inputs = freeInputs(model);
  const specs: InputSpec[] = suggestInputs(inputs, dims).map((suggested) => {
    const given = linkedRandom?.inputs.find(({ name }) => name === suggested.name);
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
  return { ref, dims, prepare: () => prepareTask(source, ref) };
}

/** Inputs that a caller must give: those without a default value. */
function freeInputs(model: Model): FreeInput[] {
  return model.graph.inputs
    .filter(({ name }) => !model.graph.initializers.has(name))
    .map(({ name, type }) => {
      if (type?.kind !== 'tensor')
        throw new UsageError(`input "${name}" is not a tensor; random inputs cannot be made for it.`);
      return { name, dtype: type.dtype, shape: type.shape };
    });
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
