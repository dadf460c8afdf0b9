import { StudioError } from '../../base/errors/index.ts';
import type { HostTensor } from '../../step/define.ts';

/** An array read from a file, with the name that it had there: a file's stem, a key of an archive, a tensor's name. */
export interface NamedArray {
  readonly name: string;
  readonly tensor: HostTensor;
}

/** @param name of the file, for the message */
export function badArray(name: string, reason: string, cause?: unknown): StudioError {
  return new StudioError('task/bad-array', { name, reason }, cause);
}
