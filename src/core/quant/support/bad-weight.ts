/** What quantizers say of a weight that they cannot take. */
import { StudioError } from '../../base/errors/index.ts';

/** @param tensor its name */
export const notFinite = (tensor: string): StudioError =>
  new StudioError('pass/bad-weight', { tensor, reason: 'has NaN or infinite elements' });

/** For methods that see only whether the scales that they made are finite. */
export const noFiniteScale = (tensor: string): StudioError =>
  new StudioError('pass/bad-weight', {
    tensor,
    reason: 'has NaN or infinite elements, or a range too wide for any scale',
  });
