/**
 * The runtime's WebAssembly, 14 or 27 MB: downloaded once by the page, however many want it, and lent to every worker as
 * a Blob, which travels by reference. Left to themselves the workers would each ask for it, and a browser whose cache is
 * too small for the file, or has not got all of it yet, would download it for each.
 */
import type { CancelSignal } from '../core/base/cancel.ts';
import { StudioError } from '../core/base/errors/index.ts';
import type { OnProgress, Progress } from '../core/base/progress.ts';
import type { Target } from '../core/study/schema.ts';
import { ortFile } from '../runtime/ort-files.ts';
import { readBody } from './fetch-file.ts';
import { keepForLater } from './offline.ts';
import { pageAssetBase } from './worker/asset-base.ts';

export interface RuntimeWish {
  readonly signal: CancelSignal;
  readonly onProgress?: OnProgress;
}

interface Download {
  readonly blob: Promise<Blob | null>;
  readonly wishes: Set<RuntimeWish>;
  readonly connection: AbortController;
  latest: Progress | null;
}

/** By URL. What failed or was given up is not in it, so that the next one tries anew. */
const downloads = new Map<string, Download>();

/**
 * The WebAssembly of a provider's runtime. The download goes on as long as anybody waits for it.
 * @param assetBase absolute URL, ending in '/', under which the page's assets lie
 * @returns null where it cannot be had: the worker that needs it then tries itself, and says why
 * @throws StudioError job/cancelled
 */
export function runtimeFile(provider: Target['provider'], assetBase: string, wish: RuntimeWish): Promise<Blob | null> {
  if (wish.signal.aborted) return Promise.reject(new StudioError('job/cancelled', {}));
  const path = `${ortFile(provider)}.wasm`;
  const url = new URL(path, assetBase).href;
  const download = downloads.get(url) ?? begin(url, path);
  if (download.latest) wish.onProgress?.(download.latest);
  download.wishes.add(wish);
  return new Promise((resolve, reject) => {
    const settle = () => {
      download.wishes.delete(wish);
      wish.signal.removeEventListener('abort', giveUp);
    };
    const giveUp = () => {
      settle();
      if (download.wishes.size === 0) download.connection.abort();
      reject(new StudioError('job/cancelled', {}));
    };
    wish.signal.addEventListener('abort', giveUp, { once: true });
    void download.blob.then((blob) => {
      settle();
      resolve(blob);
    });
  });
}

function begin(url: string, path: string): Download {
  const connection = new AbortController();
  const wishes = new Set<RuntimeWish>();
  const tell = (progress: Progress) => {
    download.latest = progress;
    for (const wish of wishes) wish.onProgress?.(progress);
  };
  const forget = () => {
    if (downloads.get(url) === download) downloads.delete(url);
    return null;
  };
  // At once: whoever comes after it was given up must not be handed a connection that is closed.
  connection.signal.addEventListener('abort', forget);
  const blob = fetchWhole(url, connection.signal, tell).then(
    (whole) => {
      download.latest = null;
      keepForLater(path, whole);
      return whole;
    },
    () => forget(),
  );
  const download: Download = { blob, wishes, connection, latest: null };
  downloads.set(url, download);
  return download;
}

async function fetchWhole(url: string, signal: AbortSignal, tell: OnProgress): Promise<Blob> {
  const fail = (reason: string) => new StudioError('file/fetch-failed', { url, reason });
  const response = await fetch(url, { signal });
  if (!response.ok) throw fail(`the server answered ${response.status}`);
  const body = await readBody(
    response,
    signal,
    (progress) => tell({ ...progress, stage: 'downloading the runtime' }),
    fail,
  );
  return new Blob([body], { type: 'application/wasm' });
}

/**
 * Resolves when the files of these targets are there, or cannot be had: the worker that needs one then says why.
 * @throws StudioError job/cancelled
 */
export async function fetchRuntime(targets: readonly Target[], wish: RuntimeWish): Promise<void> {
  for (const { provider } of targets) await runtimeFile(provider, pageAssetBase(), wish);
}
