/**
 * Asking other servers. The page's own policy (`connect-src 'self'`) forbids it to the page and to all workers but one:
 * workers/fetch.ts, whose script comes with a policy of its own. Only for addresses that the user typed or confirmed.
 */
import { StudioError } from '../core/base/errors/index.ts';
import type { WorkerClient } from '../rpc/client.ts';
import type { FetchContract, FetchMessage, FetchWish } from '../rpc/contract.ts';
import { spawnFetch } from './worker/spawn-fetch.ts';

export interface RemoteRequest {
  readonly signal: AbortSignal;
  readonly headers?: Headers;
  readonly cache?: RequestCache;
}

let worker: WorkerClient<FetchContract> | null = null;
const asked = new Set<string>();

/** Servers asked since the page was opened, without those that they redirected to. */
export const askedHosts = (): string[] => [...asked].sort();

function fetchWorker(): WorkerClient<FetchContract> {
  if (worker) return worker;
  const started = spawnFetch();
  worker = started;
  void started.ended.then(() => {
    if (worker === started) worker = null;
  });
  return started;
}

/**
 * A GET without cookies and without referrer, as `fetch` would answer it; the body comes as it is read, and is not read
 * ahead. Its `url` is empty, since redirects are followed elsewhere.
 * @param url absolute
 * @throws StudioError job/cancelled when the signal says so; others when there is no answer
 */
export async function remoteFetch(
  url: string,
  { signal, headers, cache = 'default' }: RemoteRequest,
): Promise<Response> {
  asked.add(new URL(url).host);
  const client = fetchWorker();
  const { port1, port2 } = new MessageChannel();
  const request = { url, headers: [...(headers ?? [])], cache, body: port2 };
  const head = await client.call('fetch', request, { signal, transfer: [port2] });
  const body = head.hasBody ? bodyStream(port1, client, signal) : null;
  return new Response(body, { status: head.status, statusText: head.statusText, headers: [...head.headers] });
}

function bodyStream(port: MessagePort, client: WorkerClient<FetchContract>, signal: AbortSignal): ReadableStream {
  let isOver = false;
  let onAbort = () => {};
  const tell = (wish: FetchWish) => port.postMessage(wish);
  const end = (finish: () => void) => {
    if (isOver) return;
    isOver = true;
    signal.removeEventListener('abort', onAbort);
    finish();
    port.close();
  };
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      start(controller) {
        onAbort = () =>
          end(() => {
            tell('enough');
            controller.error(new StudioError('job/cancelled', {}));
          });
        port.onmessage = ({ data }: MessageEvent<FetchMessage>) => {
          if (data.kind === 'bytes') controller.enqueue(data.bytes);
          else if (data.kind === 'done') end(() => controller.close());
          else end(() => controller.error(new TypeError(data.reason)));
        };
        signal.addEventListener('abort', onAbort);
        void client.ended.then((error) => end(() => controller.error(error)));
        if (signal.aborted) onAbort();
      },
      pull: () => tell('next'),
      cancel: () => end(() => tell('enough')),
    },
    // Nothing is asked for before somebody reads.
    { highWaterMark: 0 },
  );
}
