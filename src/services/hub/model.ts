/** A model out of a repository: its graph, the data files that the graph itself names, its config and tokenizer. */
import { StudioError } from '../../core/base/errors/index.ts';
import { describeConfig, type HubFile } from '../../core/hub/api.ts';
import type { HubRef } from '../../core/hub/ref.ts';
import { besideGraph, companionFiles, type HubVariant } from '../../core/hub/variants.ts';
import { readModel } from '../../core/onnx/read.ts';
import { BlobSource } from '../../runtime/transform/blob-source.ts';
import type { ModelFileSet } from '../files.ts';
import type { HubAccess } from './access.ts';
import { cachedFile, cachedFiles, type HubPlace, requireRoomFor } from './cache.ts';
import type { HubJob, HubListing } from './client.ts';
import { downloadFile } from './download.ts';

export interface HubModel {
  readonly files: ModelFileSet;
  readonly ref: HubRef;
  /** From config.json; null where there is none. */
  readonly about: string | null;
  /** Files of which bytes of an earlier attempt were thrown away, and why. */
  readonly restarted: readonly string[];
}

/** Everything that is fetched for a variant: what the user is asked to agree to. */
export function filesToFetch(listing: HubListing, { graph, data }: HubVariant): HubFile[] {
  return [graph, ...data, ...companionFiles(listing.files, graph.path)];
}

export const sumOfSizes = (files: readonly HubFile[]): number => files.reduce((sum, { size }) => sum + size, 0);

/**
 * Downloads a variant, or what is missing of it.
 * @param agreed bytes that the user agreed to, of what `filesToFetch` lists
 * @throws StudioError hub/*, file/*, model/*, storage/*, job/cancelled
 */
export async function fetchHubModel(
  access: HubAccess,
  listing: HubListing,
  variant: HubVariant,
  agreed: number,
  job: HubJob,
): Promise<HubModel> {
  const { graph } = variant;
  const place: HubPlace = listing;
  const companions = companionFiles(listing.files, graph.path);
  const agree = (files: readonly HubFile[]) => {
    const needed = sumOfSizes(files);
    if (needed > agreed) throw new StudioError('hub/more-to-download', { path: graph.path, needed, agreed });
    return needed;
  };
  // By their names first, so that the total is known at once; by the graph as soon as it is here.
  let total = agree([graph, ...companions]);
  await requireRoomFor(total);
  let before = 0;
  const restarted: string[] = [];
  const fetchOne = async (file: HubFile): Promise<File> => {
    const stage = `downloading ${file.path.split('/').at(-1)}`;
    const shown = Math.max(total, before + sumOfSizes([file]));
    const onBytes = (bytes: number) => job.onProgress({ stage, done: before + bytes, total: shown, unit: 'bytes' });
    const { file: fetched, restarted: reason } = await downloadFile(access, place, file, job, onBytes);
    if (reason) restarted.push(`${file.path}: ${reason}`);
    before += file.size;
    return fetched;
  };
  total = Math.max(total, Math.min(agreed, sumOfSizes(filesToFetch(listing, variant))));
  const graphFile = await fetchOne(graph);
  const locations = await externalLocations(graphFile, job);
  const byPath = new Map(listing.files.map((file) => [file.path, file]));
  const missing = locations.filter((location) => !byPath.has(besideGraph(graph.path, location)));
  if (missing.length > 0)
    throw new StudioError('hub/missing-data', { path: graph.path, repo: listing.repo, missing: missing.slice(0, 5) });
  const data = locations.map((location) => ({ location, file: byPath.get(besideGraph(graph.path, location))! }));
  total = agree([...new Set([graph, ...companions, ...data.map(({ file }) => file)])]);
  await requireRoomFor(total - before);
  const others = [];
  for (const { location, file } of data) others.push({ path: location, file: await fetchOne(file) });
  for (const companion of companions) await fetchOne(companion);
  return {
    files: { graph: { path: graphFile.name, file: graphFile }, others },
    ref: {
      kind: 'hub',
      repo: listing.repo,
      revision: listing.commit,
      path: graph.path,
      ...(graph.sha256 ? { sha256: graph.sha256 } : {}),
      byteLength: total,
    },
    about: await aboutModel(
      place,
      companions.map(({ path }) => path),
    ),
    restarted,
  };
}

/**
 * The model that a link or the list of downloads names, if all of it is here. Asks nobody.
 * A file of another server counts only where its hash is the one that is asked for.
 */
export async function cachedHubModel(host: string, ref: HubRef, job: HubJob): Promise<HubModel | null> {
  const all = (await cachedFiles()).filter(({ repo, commit }) => repo === ref.repo && commit === ref.revision);
  const known = all
    .filter(({ path, complete }) => path === ref.path && complete)
    .filter((file) => (ref.sha256 === undefined ? file.host === host : file.sha256 === ref.sha256))
    .sort((a, b) => Number(b.host === host) - Number(a.host === host))[0];
  if (!known) return null;
  const place = { host: known.host, repo: ref.repo, commit: ref.revision };
  const graph = await cachedFile(place, ref.path);
  if (!graph) return null;
  const others = [];
  for (const location of await externalLocations(graph.file, job)) {
    const found = await cachedFile(place, besideGraph(ref.path, location));
    if (!found) return null;
    others.push({ path: location, file: found.file });
  }
  const beside = all.filter(({ host: from, complete }) => from === known.host && complete);
  const about = await aboutModel(
    place,
    companionFiles(beside, ref.path).map(({ path }) => path),
  );
  return { files: { graph: { path: graph.file.name, file: graph.file }, others }, ref, about, restarted: [] };
}

/** The files beside it that a graph keeps weights in, as it names them. */
async function externalLocations(graph: File, { signal }: HubJob): Promise<string[]> {
  const locations: string[] = [];
  const resolveExternal = (location: string) => {
    locations.push(location);
    return undefined;
  };
  try {
    await readModel(new BlobSource(graph.name, graph), { signal, resolveExternal });
  } catch (error) {
    // What it is told is missing is what was asked for.
    if (!(error instanceof StudioError) || error.code !== 'model/missing-external') throw error;
  }
  return locations;
}

async function aboutModel(place: HubPlace, paths: readonly string[]): Promise<string | null> {
  const path = paths.find((candidate) => candidate.split('/').at(-1) === 'config.json');
  const found = path === undefined ? null : await cachedFile(place, path);
  if (!found) return null;
  try {
    return describeConfig(JSON.parse(await found.file.text()));
  } catch {
    return null;
  }
}
