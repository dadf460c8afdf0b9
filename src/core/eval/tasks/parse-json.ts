import { StudioError } from '../../base/errors/index.ts';

/** @throws StudioError task/data-missing */
export function parseJson(bytes: Uint8Array, task: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new StudioError('task/data-missing', { task, reason: 'its description is not JSON' }, error);
  }
}
