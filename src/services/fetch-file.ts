/** A file by its address, and reading what servers answer. */
import { StudioError } from '../core/base/errors/index.ts';
import type { OnProgress } from '../core/base/progress.ts';
import { remoteFetch } from './remote.ts';

/**
 * Downloads a file that the user named, with progress.
 * @throws StudioError file/fetch-failed, job/cancelled
 */
export async function fetchFile(url: string, signal: AbortSignal, onProgress: OnProgress): Promise<File> {
  const address = parseAddress(url);
  const fail = (reason: string, cause?: unknown) => new StudioError('file/fetch-failed', { url, reason }, cause);
  let response: Response;
  try {
    response = await remoteFetch(address.href, { signal });
  } catch (error) {
    if (signal.aborted) throw new StudioError('job/cancelled', {});
    const reason =
      address.origin === location.origin
        ? 'the server could not be reached'
        : 'the server could not be reached, or does not allow other pages to read from it (CORS)';
    throw fail(reason, error);
  }
  const refuse = (reason: string) => {
    void response.body?.cancel();
    return fail(reason);
  };
  if (!response.ok) throw refuse(`the server answered ${response.status} ${response.statusText}`.trim());
  if (/^text\/html\b/.test(response.headers.get('content-type') ?? ''))
    throw refuse('the server answered with a web page, not with a file');
  const blob = await readBody(response, signal, onProgress, fail);
  const name = decodeURIComponent(address.pathname.split('/').at(-1) || 'model.onnx');
  return new File([blob], name);
}

function parseAddress(url: string): URL {
  try {
    const address = new URL(url, location.href);
    if (address.protocol === 'http:' || address.protocol === 'https:') return huggingFaceFile(address);
  } catch {
    // Reported below, as is any other scheme.
  }
  throw new StudioError('file/fetch-failed', { url, reason: 'this is not an http or https address' });
}

/** A Hugging Face page of a file (/blob/) is what people copy; the file itself is under /resolve/. */
function huggingFaceFile(address: URL): URL {
  if (address.hostname !== 'huggingface.co') return address;
  const file = new URL(address);
  file.pathname = file.pathname.replace(/^(\/[^/]+\/[^/]+)\/blob\//, '$1/resolve/');
  return file;
}

const BLOB_PIECE_BYTES = 1_000_000;

/** Reads a response's body into a Blob, which the browser may keep on disk, reporting bytes. */
export async function readBody(
  response: Response,
  signal: AbortSignal,
  onProgress: OnProgress,
  fail: (reason: string, cause?: unknown) => StudioError,
): Promise<Blob> {
  const length = Number(response.headers.get('content-length'));
  // With a content encoding the length is that of the compressed body: no total to show.
  const total = length > 0 && !response.headers.get('content-encoding') ? length : null;
  if (!response.body) return response.blob();
  const reader = response.body.getReader();
  const pieces: Blob[] = [];
  let pending: Uint8Array<ArrayBuffer>[] = [];
  let pendingBytes = 0;
  let done = 0;
  try {
    for (;;) {
      const next = await reader.read();
      if (next.done) break;
      pending.push(next.value);
      pendingBytes += next.value.byteLength;
      done += next.value.byteLength;
      // Handing pieces to a Blob early lets the browser page them out, and all at the end would be one long task.
      if (pendingBytes > BLOB_PIECE_BYTES) {
        pieces.push(new Blob(pending));
        pending = [];
        pendingBytes = 0;
      }
      onProgress({ stage: 'downloading', done, total, unit: 'bytes' });
    }
  } catch (error) {
    if (signal.aborted) throw new StudioError('job/cancelled', {});
    throw fail('the connection broke off', error);
  }
  if (total !== null && done < total) throw fail(`the connection broke off after ${done} of ${total} bytes`);
  return new Blob([...pieces, ...pending]);
}
