/** Does a target compute the same numbers as WASM does from the same file? Silent wrong results are what this catches. */
import { numbersOf } from '../eval/host-tensors.ts';
import type { Feeds } from '../eval/types.ts';
import type { HostTensor } from '../step/define.ts';
import type { Parity } from './results.ts';

/**
 * Largest error, relative to the peak of the reference output, that counts as a match. WebGPU computes fp32 with other
 * summation orders and may use int8 dot products for MatMulNBits at accuracy level 4 (about 5e-3): that is drift,
 * worth saying; beyond 5 % the numbers are wrong.
 */
const MATCH_LIMIT = 1e-3;
const DRIFT_LIMIT = 5e-2;

/** @param pairs outputs of the target and of the reference for the same inputs */
export function comparePlaces(
  reference: string,
  pairs: readonly { readonly got: Feeds; readonly expected: Feeds }[],
): Parity {
  let maxAbsError = 0;
  let maxRelativeToPeak = 0;
  let dot = 0;
  let gotSquares = 0;
  let expectedSquares = 0;
  let broken = false;
  for (const { got, expected } of pairs)
    for (const [name, want] of expected) {
      const have = got.get(name);
      if (!have || have.dims.join() !== want.dims.join()) {
        broken = true;
        continue;
      }
      const a = numbersOf(have);
      const b = numbersOf(want);
      if (!a || !b) {
        broken ||= !sameBytes(have, want);
        continue;
      }
      let peak = 0;
      let worst = 0;
      for (let i = 0; i < b.length; i++) {
        const x = a[i]!;
        const y = b[i]!;
        if (Object.is(x, y)) continue;
        if (!Number.isFinite(x) || !Number.isFinite(y)) {
          if (x !== y) broken = true;
          continue;
        }
        worst = Math.max(worst, Math.abs(x - y));
      }
      for (let i = 0; i < b.length; i++) {
        const x = a[i]!;
        const y = b[i]!;
        if (!Number.isFinite(x) || !Number.isFinite(y)) continue;
        peak = Math.max(peak, Math.abs(y));
        dot += x * y;
        gotSquares += x * x;
        expectedSquares += y * y;
      }
      maxAbsError = Math.max(maxAbsError, worst);
      maxRelativeToPeak = Math.max(maxRelativeToPeak, worst === 0 ? 0 : worst / Math.max(peak, 1e-30));
    }
  const norm = Math.sqrt(gotSquares) * Math.sqrt(expectedSquares);
  const cosine = norm > 0 ? Math.min(1, dot / norm) : gotSquares === expectedSquares ? 1 : 0;
  const verdict =
    broken || maxRelativeToPeak > DRIFT_LIMIT ? 'mismatch' : maxRelativeToPeak > MATCH_LIMIT ? 'drift' : 'match';
  return { reference, samples: pairs.length, maxAbsError, maxRelativeToPeak, cosine, verdict };
}

/** For outputs that hold no real numbers: text, complex. */
function sameBytes(a: HostTensor, b: HostTensor): boolean {
  return (
    a.dtype === b.dtype &&
    (a.strings ?? []).join('\0') === (b.strings ?? []).join('\0') &&
    a.data.length === b.data.length &&
    a.data.every((byte, index) => byte === b.data[index])
  );
}
