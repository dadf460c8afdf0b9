/** Buffers that a worker's answer gives away instead of copying. */
import type { HostTensor } from '../core/step/define.ts';

const givenAway = new WeakMap<object, ReadonlySet<ArrayBuffer>>();

/**
 * Marks the tensors of a response as no longer needed by the worker.
 * @returns the response itself
 */
export function giveAway<Response extends object>(response: Response, tensors: Iterable<HostTensor>): Response {
  const buffers = new Set<ArrayBuffer>();
  // Shared memory cannot be transferred (nor need it be); a buffer that several tensors view is listed once.
  for (const { data } of tensors) if (data.buffer instanceof ArrayBuffer) buffers.add(data.buffer);
  return giveAwayBuffers(response, buffers);
}

/** Marks the buffers themselves. */
export function giveAwayBuffers<Response extends object>(response: Response, buffers: Iterable<ArrayBuffer>): Response {
  givenAway.set(response, new Set(buffers));
  return response;
}

export function buffersGivenAway(response: unknown): Iterable<ArrayBuffer> {
  return (typeof response === 'object' && response !== null && givenAway.get(response)) || [];
}
