/** The gallery: what there is, and getting one. Downloads are kept in the browser's cache for the next time. */
import { StudioError } from '../core/base/errors/index.ts';
import type { OnProgress } from '../core/base/progress.ts';
import { type Sample, type SampleCard, sampleCardSchema, sampleIndexSchema } from '../core/study/samples.ts';
import { readBody } from './fetch-file.ts';
import type { ModelFileSet } from './files.ts';

const CACHE_NAME = 'whittle-samples-1';

/** Absolute, ends in '/'. */
export const samplesBase = (): string => new URL('samples/', new URL(import.meta.env.BASE_URL, document.baseURI)).href;

/** Where a sample task's data lie, relative to the app. */
export const taskDataPath = (sample: Sample): string => `samples/${sample.task.data}`;

/** Where a sample task's data lie, for `TaskSource`. */
export const taskDataBase = (sample: Sample): string => new URL(sample.task.data, samplesBase()).href;

/** @throws StudioError file/fetch-failed */
export async function loadSampleIndex(): Promise<Sample[]> {
  return (await loadJson('index.json', sampleIndexSchema, 'the list of samples is damaged')).samples;
}

/** What is known of a sample's origin; null when its model is somebody else's. @throws StudioError file/fetch-failed */
export async function loadSampleCard({ card }: Sample): Promise<SampleCard | null> {
  return card === undefined ? null : loadJson(card, sampleCardSchema, 'the model card is damaged');
}

/** The part of a schema that is needed here. */
interface Parser<T> {
  safeParse(value: unknown): { readonly success: true; readonly data: T } | { readonly success: false };
}

async function loadJson<T>(path: string, parser: Parser<T>, damaged: string): Promise<T> {
  const url = new URL(path, samplesBase()).href;
  const fail = fetchFailure(url);
  const response = await fetch(url).catch((error: unknown) => {
    throw fail('the server could not be reached', error);
  });
  if (!response.ok) throw fail(`the server answered ${response.status}`);
  const parsed = parser.safeParse(await response.json().catch(() => null));
  if (!parsed.success) throw fail(damaged);
  return parsed.data;
}

/** The model of a sample, from the cache or the server. @throws StudioError file/fetch-failed, job/cancelled */
export async function fetchSampleModel(
  sample: Sample,
  signal: AbortSignal,
  onProgress: OnProgress,
): Promise<ModelFileSet> {
  const file = await fetchSampleFile(sample.model, sample.modelBytes, signal, onProgress);
  return { graph: { path: file.name, file }, others: [] };
}

async function fetchSampleFile(
  path: string,
  expectedBytes: number,
  signal: AbortSignal,
  onProgress: OnProgress,
): Promise<File> {
  const url = new URL(path, samplesBase()).href;
  const name = path.split('/').at(-1)!;
  const fail = fetchFailure(url);
  const cache = await globalThis.caches?.open(CACHE_NAME).catch(() => undefined);
  const known = await (await cache?.match(url))?.blob();
  // Another size is another version of the sample.
  if (known && known.size === expectedBytes) return new File([known], name);
  const response = await fetch(url, { signal }).catch((error: unknown) => {
    if (signal.aborted) throw new StudioError('job/cancelled', {});
    throw fail('the server could not be reached', error);
  });
  if (!response.ok) throw fail(`the server answered ${response.status}`);
  const blob = await readBody(response, signal, (progress) => onProgress({ ...progress, total: expectedBytes }), fail);
  // A cache that is full or forbidden costs a download next time, nothing else.
  await cache?.put(url, new Response(blob)).catch(() => undefined);
  return new File([blob], name);
}

function fetchFailure(url: string) {
  return (reason: string, cause?: unknown) => new StudioError('file/fetch-failed', { url, reason }, cause);
}
