import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Sample, sampleIndexSchema } from '../core/study/samples.ts';
import { UsageError } from './args.ts';

export interface FoundSample extends Sample {
  readonly modelPath: string;
  /** Directory of its task's data, ending in '/'. */
  readonly dataDirectory: string;
}

/** The samples lie beside the built page; this module is in dist-node/ (or in a chunk below it). */
function samplesDirectory(): string {
  for (const up of ['..', '../..', '../../..']) {
    const candidate = fileURLToPath(new URL(`${up}/public/samples/`, import.meta.url));
    if (existsSync(`${candidate}index.json`)) return candidate;
  }
  throw new UsageError('the samples are not here; give a model file instead.');
}

export async function listSamples(): Promise<FoundSample[]> {
  const directory = samplesDirectory();
  const { samples } = sampleIndexSchema.parse(JSON.parse(await readFile(`${directory}index.json`, 'utf8')));
  return samples.map((sample) => ({
    ...sample,
    modelPath: `${directory}${sample.model}`,
    dataDirectory: `${directory}${sample.task.data}`,
  }));
}

/** @throws UsageError listing what there is */
export async function findSample(id: string): Promise<FoundSample> {
  const samples = await listSamples();
  const found = samples.find((sample) => sample.id === id);
  if (!found)
    throw new UsageError(`There is no sample "${id}". There are: ${samples.map((sample) => sample.id).join(', ')}.`);
  if (!existsSync(found.modelPath))
    throw new UsageError(`The model of sample "${id}" is not here yet; run npm run build once.`);
  return found;
}
