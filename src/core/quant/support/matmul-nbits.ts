/** com.microsoft.MatMulNBits nodes: the one output form of every blockwise weight quantizer (RTN now; GPTQ, AWQ, ...). */
import { attrInt } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import type { Tensor } from '../../ir/types.ts';
import { replaceLinear } from './linear-rewrite.ts';
import type { LinearSite } from './linear-sites.ts';
import type { NBitsMatrix } from './nbits-store.ts';
import { nodeLabel } from './patterns.ts';
import type { Scope } from './scopes.ts';

/**
 * 512 and above are left out on purpose: onnxruntime's CPU kernel answers zeros for them without an error
 * (microsoft/onnxruntime#28551), and MatMulNBits allows powers of two from 16 only.
 */
export const nbitsBlockSizes = [16, 32, 64, 128, 256] as const;

/** Names of the quantized weight's initializers in the graph that held the original. */
export interface StoredNBits {
  readonly matrix: NBitsMatrix;
  readonly packed: string;
  readonly scales: string;
  readonly zeroPoints: string | undefined;
}

export function storeNBits(scope: Scope, matrix: NBitsMatrix): StoredNBits {
  const add = (tensor: Tensor) => scope.editor.addInitializer(tensor);
  return {
    matrix,
    packed: add(matrix.packed),
    scales: add(matrix.scales),
    zeroPoints: matrix.zeroPoints ? add(matrix.zeroPoints) : undefined,
  };
}

/**
 * @param accuracyLevel MatMulNBits' attribute; 0 leaves the choice to the runtime
 * @returns labels of the new nodes
 */
export function replaceWithMatMulNBits(
  site: LinearSite,
  stored: StoredNBits,
  accuracyLevel: number,
): readonly string[] {
  const { matrix } = stored;
  return replaceLinear(site, (activation, output) => [
    makeNode({
      opType: 'MatMulNBits',
      domain: 'com.microsoft',
      name: site.scope.editor.freshName(`${nodeLabel(site.node)}_Q${matrix.codeBits}`),
      inputs: [activation, stored.packed, stored.scales, ...(stored.zeroPoints ? [stored.zeroPoints] : [])],
      outputs: [output],
      attributes: {
        K: attrInt(matrix.K),
        N: attrInt(matrix.N),
        bits: attrInt(matrix.bits),
        block_size: attrInt(matrix.blockSize),
        ...(accuracyLevel === 0 ? {} : { accuracy_level: attrInt(accuracyLevel) }),
      },
    }),
  ]);
}
