/** The model that a command works on, and the inputs it is run with: what `compare`, `search`, `lens` and `sensitivity` share. */

import type { JobContext } from '../core/base/progress.ts';
import type { Report } from '../core/study/results.ts';
import { executionProviders, type ModelRef, type Study, type Target } from '../core/study/schema.ts';
import { filesByteLength, saveFiles } from '../core/study/variant.ts';
import { type OptionSpec, type Parsed, UsageError } from './args.ts';
import { defaultProvider } from './node-host.ts';
import { type OpenedFile, openModelFile } from './open-model.ts';
import { type FoundSample, findSample } from './samples.ts';
import { type ChosenTask, chooseTask } from './tasks.ts';

/** Options that choose the task; every command that runs a model has them. */
export const taskOptions = {
  sample: { type: 'string', value: 'ID', help: 'a sample model with its task, instead of MODEL' },
  task: { type: 'string', value: 'NAME', help: 'a sample task, or "random" (default for your own model)' },
  inputs: {
    type: 'string',
    multiple: true,
    value: 'FILE',
    help: 'your own arrays (.npy, .npz, .pb, or a folder of them) instead of a task; may be given several times',
  },
  expect: {
    type: 'string',
    multiple: true,
    value: 'FILE',
    help: 'expected outputs for --inputs (default: those of the original)',
  },
  dim: { type: 'string', multiple: true, value: 'NAME=N', help: 'value of a free dimension, for random inputs' },
  seed: { type: 'string', value: 'N', help: 'seed of random inputs (default 1)' },
} satisfies Record<string, OptionSpec>;

/** Options that choose where variants run; read by `chosenTarget`. */
export const targetOptions = {
  provider: {
    type: 'string',
    value: 'NAME',
    help: 'cpu (onnxruntime-node) or wasm (onnxruntime-web); default: cpu when installed',
  },
  threads: { type: 'string', value: 'N', help: 'threads (default: chosen from the machine)' },
} satisfies Record<string, OptionSpec>;

export interface ChosenModel {
  readonly file: OpenedFile;
  readonly modelKey: string;
  readonly ref: ModelRef;
  readonly sample: FoundSample | undefined;
  readonly task: ChosenTask;
  /** The study of a link that goes with the model. */
  readonly linked: Study | undefined;
}

/** @throws UsageError unless there is one model: a file, or --sample ID */
export async function chosenPath(
  command: string,
  parsed: Parsed,
): Promise<{ readonly path: string; readonly sample: FoundSample | undefined }> {
  const sampleId = parsed.string('sample');
  const [path, ...rest] = parsed.positionals;
  if (rest.length > 0 || (path === undefined) === (sampleId === undefined))
    throw new UsageError(`${command} takes one model: a file, or --sample ID.`);
  const sample = sampleId === undefined ? undefined : await findSample(sampleId);
  return { path: sample?.modelPath ?? path!, sample };
}

/**
 * @param studyFor the study of a link, for the model with this key
 * @throws UsageError unless there is one model: a file, or --sample ID
 */
export async function chooseModel(
  command: string,
  parsed: Parsed,
  job: JobContext,
  studyFor?: (modelKey: string) => Study | undefined,
): Promise<ChosenModel> {
  const { path, sample } = await chosenPath(command, parsed);
  const file = await openModelFile(path, job);
  const modelKey = await file.sha256();
  const linked = studyFor?.(modelKey);
  const task = await chooseTask({ parsed, model: file.model, sample, linked });
  const ref: ModelRef = sample
    ? { kind: 'sample', id: sample.id }
    : { kind: 'file', name: file.name, sha256: modelKey, byteLength: file.graphBytes };
  return { file, modelKey, ref, sample, task, linked };
}

export async function modelFacts({ file, modelKey, ref, sample, task }: ChosenModel): Promise<Report['model']> {
  const files = await saveFiles(file.model, file.name);
  return {
    ref,
    name: sample?.title ?? file.name,
    sha256: modelKey,
    fileBytes: filesByteLength(files),
    ...task.modelFacts,
  };
}

export async function chosenTarget(parsed: Parsed): Promise<Target> {
  return {
    provider: await chosenProvider(parsed),
    threads: parsed.number('threads', 0, { min: 0, max: 64, integer: true }),
  };
}

async function chosenProvider(parsed: Parsed): Promise<'cpu' | 'wasm'> {
  const given = parsed.string('provider');
  if (given === undefined) return defaultProvider();
  if (given === 'cpu' || given === 'wasm') return given;
  const known = (executionProviders as readonly string[]).includes(given);
  throw new UsageError(
    known ? `--provider ${given} needs a browser; the command line has cpu and wasm.` : '--provider is cpu or wasm.',
  );
}
