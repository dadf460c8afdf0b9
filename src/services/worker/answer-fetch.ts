/** The fetch worker's side of `remoteFetch`: asks, and hands the body over piece by piece as the page asks for it. */
import { StudioError } from '../../core/base/errors/index.ts';
import type { JobContext } from '../../core/base/progress.ts';
import type { FetchedHead, FetchMessage, FetchRequest, FetchWish } from '../../rpc/contract.ts';

/** @throws StudioError job/cancelled; whatever fetch throws when there is no answer */
export async function answerFetch({ url, headers, cache, body }: FetchRequest, job: JobContext): Promise<FetchedHead> {
  const controller = new AbortController();
  const abort = () => controller.abort();
  job.signal.addEventListener('abort', abort, { once: true });
  try {
    const response = await fetch(url, {
      headers: headers.map(([name, value]): [string, string] => [name, value]),
      cache,
      signal: controller.signal,
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
    });
    if (response.body) handOver(response.body.getReader(), body, controller);
    const { status, statusText } = response;
    return { status, statusText, headers: [...response.headers], hasBody: response.body !== null };
  } catch (error) {
    if (controller.signal.aborted) throw new StudioError('job/cancelled', {});
    throw error;
  } finally {
    // From here on the page says by the port when it has enough.
    job.signal.removeEventListener('abort', abort);
  }
}

function handOver(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
  port: MessagePort,
  controller: AbortController,
): void {
  const tell = (message: FetchMessage, transfer: Transferable[] = []) => port.postMessage(message, transfer);
  const end = (message: FetchMessage) => {
    tell(message);
    port.close();
  };
  const sendNext = async () => {
    const next = await reader.read();
    if (next.done) end({ kind: 'done' });
    // The stream may hand out a view of a buffer that it goes on using; only a whole one can be given away.
    else if (next.value.byteLength === next.value.buffer.byteLength)
      tell({ kind: 'bytes', bytes: next.value }, [next.value.buffer]);
    else tell({ kind: 'bytes', bytes: next.value.slice() });
  };
  port.onmessage = ({ data }: MessageEvent<FetchWish>) => {
    if (data === 'next') sendNext().catch((error: unknown) => end({ kind: 'broken', reason: String(error) }));
    else {
      controller.abort();
      port.close();
    }
  };
}
