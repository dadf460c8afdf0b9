/** Asking a hub: its answers checked, its refusals in plain words, and asking again where that helps. */
import { StudioError } from '../../core/base/errors/index.ts';
import type { JobContext } from '../../core/base/progress.ts';
import type { HubAddress } from '../../core/hub/address.ts';
import { type HubFile, isGated, modelInfoSchema, readTreePage } from '../../core/hub/api.ts';
import { isPassing, MAX_ATTEMPTS, retryDelay } from '../../core/hub/retry.ts';
import { modelInfoUrl, nextPage, treeUrl } from '../../core/hub/urls.ts';
import { remoteFetch } from '../remote.ts';
import { type HubAccess, hostName } from './access.ts';

export type HubJob = JobContext & { readonly signal: AbortSignal };

export interface HubListing {
  readonly host: string;
  readonly repo: string;
  /** As it was asked for: a branch, a tag, a commit. */
  readonly revision: string;
  readonly commit: string;
  readonly gated: boolean;
  readonly files: readonly HubFile[];
  /** What the hub says it is for, e.g. `feature-extraction`. */
  readonly purpose: string | null;
}

/** What a request is about, for its errors. */
export interface Asked {
  readonly repo: string;
  readonly revision: string;
  readonly path?: string;
}

/** A repository has rarely more than some hundred files; a server that never ends its listing is stopped. */
const MAX_PAGES = 100;

/**
 * All files of a repository at one commit.
 * @throws StudioError hub/*, job/cancelled
 */
export async function listRepository(access: HubAccess, address: HubAddress, job: HubJob): Promise<HubListing> {
  const { repo } = address;
  const revision = address.revision ?? 'main';
  const asked = { repo, revision };
  const bad = (reason: string) => new StudioError('hub/bad-answer', { host: hostName(access.host), reason });
  job.onProgress({ stage: `asking ${hostName(access.host)}`, done: 0, total: null, unit: 'files' });
  const info = modelInfoSchema.safeParse(await askJson(access, modelInfoUrl(access.host, repo, revision), asked, job));
  if (!info.success) throw bad('it does not say which commit the revision is');
  const commit = info.data.sha;
  const files: HubFile[] = [];
  let url: string | null = treeUrl(access.host, repo, commit);
  for (let page = 0; url !== null; page++) {
    if (page === MAX_PAGES) throw bad(`its list of files has more than ${MAX_PAGES} pages`);
    const response = await askHub(access, url, asked, job);
    const rows = readTreePage(await jsonOf(response, bad));
    if (!rows) throw bad('its list of files is none');
    files.push(...rows);
    job.onProgress({ stage: `listing ${repo}`, done: files.length, total: null, unit: 'files' });
    url = nextPage(response.headers.get('link'), url);
  }
  const purpose = info.data.pipeline_tag ?? null;
  return { host: access.host, repo, revision, commit, gated: isGated(info.data), files, purpose };
}

async function askJson(access: HubAccess, url: string, asked: Asked, job: HubJob): Promise<unknown> {
  const bad = (reason: string) => new StudioError('hub/bad-answer', { host: hostName(access.host), reason });
  return jsonOf(await askHub(access, url, asked, job), bad);
}

async function jsonOf(response: Response, bad: (reason: string) => StudioError): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    throw bad('it is not JSON');
  }
}

export interface AskOptions {
  /** Bytes to leave out at the beginning. */
  readonly from?: number;
  /** Statuses that the caller deals with, besides those of success. */
  readonly accept?: readonly number[];
}

/**
 * One GET, asked again after refusals that pass. The token goes to the hub's own origin alone: what the hub redirects
 * to another one, the browser asks there without it (Fetch standard, HTTP-redirect fetch, step 13).
 * @throws StudioError hub/*, job/cancelled
 */
export async function askHub(
  access: HubAccess,
  url: string,
  asked: Asked,
  job: HubJob,
  { from = 0, accept = [] }: AskOptions = {},
): Promise<Response> {
  const headers = new Headers();
  if (access.token !== null && new URL(url).origin === access.host)
    headers.set('Authorization', `Bearer ${access.token}`);
  if (from > 0) headers.set('Range', `bytes=${from}-`);
  for (let attempt = 0; ; attempt++) {
    const last = attempt + 1 >= MAX_ATTEMPTS;
    let response: Response | null = null;
    try {
      response = await remoteFetch(url, { headers, signal: job.signal, cache: 'no-store' });
    } catch {
      // The cause is not kept: a browser's message may quote the request.
      if (job.signal.aborted) throw new StudioError('job/cancelled', {});
      if (last) throw new StudioError('hub/unreachable', { host: hostName(access.host) });
    }
    if (response?.ok || (response && accept.includes(response.status))) return response;
    const wait =
      response && !isPassing(response.status)
        ? null
        : retryDelay(attempt, response?.headers.get('retry-after') ?? null, Date.now(), Math.random());
    await response?.body?.cancel().catch(() => {});
    if (wait === null || last) throw refusal(access, response!, asked);
    await pause(wait, `waiting for ${hostName(access.host)}`, job);
  }
}

/** Waits, unless the job is cancelled. */
export async function pause(ms: number, stage: string, job: HubJob): Promise<void> {
  if (ms > 1500) job.onProgress({ stage: `${stage}, ${Math.ceil(ms / 1000)} s`, done: 0, total: null, unit: 'bytes' });
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      job.signal.removeEventListener('abort', done);
      resolve();
    }
    job.signal.addEventListener('abort', done);
    if (job.signal.aborted) done();
  });
  if (job.signal.aborted) throw new StudioError('job/cancelled', {});
}

function refusal({ host: origin, token }: HubAccess, response: Response, asked: Asked): StudioError {
  const host = hostName(origin);
  const facts = { host, ...asked };
  const reason = response.headers.get('x-error-code') ?? '';
  const notFound = new StudioError('hub/not-found', facts);
  if (response.status === 429) return new StudioError('hub/rate-limited', { host });
  if (reason === 'GatedRepo') return new StudioError('hub/gated', facts);
  if (reason === 'RevisionNotFound') return new StudioError('hub/no-revision', facts);
  if (reason === 'EntryNotFound') return new StudioError('hub/no-file', { path: '', ...facts });
  if (reason === 'RepoNotFound') return notFound;
  if (response.status === 401 || response.status === 403)
    // Without a token the hub does not tell what is private from what is not there.
    return token === null ? notFound : new StudioError('hub/token-refused', { host });
  if (response.status === 404) return asked.path ? new StudioError('hub/no-file', { ...facts }) : notFound;
  return new StudioError('hub/refused', { host, status: response.status, text: response.statusText });
}
