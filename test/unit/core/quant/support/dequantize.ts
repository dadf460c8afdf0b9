/** What a blockwise quantized weight stands for, by the definition of com.microsoft.MatMulNBits: [K, N] in float64. */
import { intAttr } from '../../../../../src/core/ir/attributes.ts';
import { readTensorBytes, readTensorFloats } from '../../../../../src/core/ir/tensor.ts';
import type { Model, Node } from '../../../../../src/core/ir/types.ts';
import type { NBitsMatrix } from '../../../../../src/core/quant/support/nbits-store.ts';
import { codeAt } from '../../../../../src/core/quant/support/pack-nbits.ts';

type Stored = Pick<NBitsMatrix, 'K' | 'N' | 'bits' | 'blockSize' | 'packed' | 'scales' | 'zeroPoints'>;

export async function weightOf({ K, N, bits, blockSize, ...stored }: Stored): Promise<number[]> {
  const packed = await readTensorBytes(stored.packed);
  const scales = await readTensorFloats(stored.scales);
  const zeroTensor = stored.zeroPoints;
  const zeroPoints = zeroTensor?.dtype === 'uint8' ? await readTensorBytes(zeroTensor) : undefined;
  const floatZeros = zeroTensor && !zeroPoints ? await readTensorFloats(zeroTensor) : undefined;
  const blocks = Math.ceil(K / blockSize);
  const zeroPointRow = Math.ceil((blocks * bits) / 8);
  return Array.from({ length: K * N }, (_, index) => {
    const k = Math.floor(index / N);
    const n = index % N;
    const block = Math.floor(k / blockSize);
    const code = codeAt(packed, (n * blocks + block) * blockSize + (k % blockSize), bits);
    const zero = zeroPoints
      ? codeAt(zeroPoints.subarray(n * zeroPointRow), block, bits)
      : (floatZeros?.[n * blocks + block] ?? 2 ** (bits - 1));
    return (code - zero) * scales[n * blocks + block]!;
  });
}

/** Of a MatMulNBits node. */
export function dequantize({ graph }: Model, node: Node): Promise<number[]> {
  const tensor = (index: number) => graph.initializers.get(node.inputs[index] ?? '');
  return weightOf({
    K: intAttr(node, 'K', 0),
    N: intAttr(node, 'N', 0),
    bits: intAttr(node, 'bits', 0) as Stored['bits'],
    blockSize: intAttr(node, 'block_size', 0) as Stored['blockSize'],
    packed: tensor(1)!,
    scales: tensor(2)!,
    zeroPoints: tensor(3),
  });
}
