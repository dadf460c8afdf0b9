/** Models from the hub: what the dialog and the start page do. */
import { StudioError, toErrorRecord } from '../../core/base/errors/index.ts';
import { parseHubAddress } from '../../core/hub/address.ts';
import type { HubRef } from '../../core/hub/ref.ts';
import { groupVariants, type HubVariant } from '../../core/hub/variants.ts';
import { formatBytes } from '../../core/report/format.ts';
import { openModel } from '../../services/engine.ts';
import { hubAccess } from '../../services/hub/access.ts';
import { type HubJob, type HubListing, listRepository } from '../../services/hub/client.ts';
import { cachedHubModel, fetchHubModel, filesToFetch, type HubModel, sumOfSizes } from '../../services/hub/model.ts';
import { notify } from '../notices.ts';
import { studio } from '../store.ts';
import { openFrom } from './open.ts';

/**
 * @param revision takes the place of the address's where it is not empty
 * @throws StudioError hub/*, job/cancelled
 */
export async function listHub(text: string, revision: string, signal: AbortSignal): Promise<HubListing> {
  const access = hubAccess();
  const address = parseHubAddress(text, access.host);
  if (!address.ok) throw address.error;
  const job = { signal, onProgress: () => {}, yield: () => Promise.resolve() };
  return listRepository(access, { ...address.value, revision: revision.trim() || address.value.revision }, job);
}

/** Downloads what is missing of a variant that the user chose in the dialog, and opens it. */
export async function openHubVariant(listing: HubListing, variant: HubVariant): Promise<void> {
  const agreed = sumOfSizes(filesToFetch(listing, variant));
  const get = (job: HubJob) => fetchHubModel(hubAccess(), listing, variant, agreed, job);
  await openHub(listing.repo, variant.graph.path, get, (needed) => {
    notify({
      level: 'info',
      text: `${variant.graph.path} keeps more weights in other files than their names told.`,
      advice: `It needs ${formatBytes(needed)} in all. What is here is kept.`,
      action: {
        label: 'Download them too',
        run: () =>
          void openHub(listing.repo, variant.graph.path, (job) =>
            fetchHubModel(hubAccess(), listing, variant, needed, job),
          ),
      },
    });
  });
}

/**
 * The model that a link or the list of downloads names: from the cache where it is all there, else downloaded, but no
 * more than `agreed` bytes.
 */
export async function openHubRef(ref: HubRef, agreed: number = ref.byteLength ?? 0): Promise<void> {
  const get = async (job: HubJob): Promise<HubModel> => {
    const access = hubAccess();
    const cached = await cachedHubModel(access.host, ref, job);
    if (cached) return cached;
    const listing = await listRepository(access, { ...ref, path: null }, job);
    const variant = groupVariants(listing.files).find(({ graph }) => graph.path === ref.path);
    if (!variant)
      throw new StudioError('hub/no-file', { repo: ref.repo, revision: ref.revision.slice(0, 7), path: ref.path });
    if (ref.sha256 && variant.graph.sha256 !== ref.sha256)
      throw new StudioError('hub/other-file', { repo: ref.repo, path: ref.path });
    return fetchHubModel(access, listing, variant, agreed, job);
  };
  await openHub(ref.repo, ref.path, get, (needed) => {
    notify({
      level: 'info',
      text: `${ref.path} is ${formatBytes(needed)} to download, and not what the link said.`,
      advice: 'Nothing more was fetched.',
      action: { label: `Download ${formatBytes(needed)}`, run: () => void openHubRef(ref, needed) },
    });
  });
}

/** @param onMore told how many bytes it takes, when that is more than was agreed to */
async function openHub(
  repo: string,
  path: string,
  get: (job: HubJob) => Promise<HubModel>,
  onMore?: (needed: number) => void,
): Promise<void> {
  studio.getState().openPanel(null);
  let model: HubModel | undefined;
  let problem: unknown;
  const opened = await openFrom(
    `${repo}, ${path}`,
    async (job) => {
      try {
        model = await get(job);
        return { files: model.files, ...(await openModel(model.files, job)) };
      } catch (error) {
        problem = error;
        throw error;
      }
    },
    () => model!.ref,
    { title: titleOf(repo, path) },
  );
  if (opened && model) {
    const { about, restarted } = model;
    if (about) studio.setState((state) => (state.model ? { model: { ...state.model, about } } : {}));
    if (restarted.length > 0)
      notify({
        level: 'info',
        text: `Started over with ${restarted.join('; ')}.`,
        advice: 'What was there was not used.',
      });
    return;
  }
  if (!(problem instanceof StudioError)) return;
  if (problem.code === 'hub/more-to-download') onMore?.(Number(problem.data.needed));
  // What a token can solve is asked for where it can be given.
  if (problem.code === 'hub/gated' || problem.code === 'hub/token-refused')
    studio.getState().openHub(repo, toErrorRecord(problem));
}

/** "all-MiniLM-L6-v2, model_q4f16" */
function titleOf(repo: string, path: string): string {
  const name = repo.split('/').at(-1)!;
  const file = path
    .split('/')
    .at(-1)!
    .replace(/\.onnx$/i, '');
  return file === 'model' ? name : `${name}, ${file}`;
}
