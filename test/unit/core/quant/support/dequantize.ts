/** What a MatMulNBits node's stored weight means. */
import { intAttr } from '../../../../../src/core/ir/attributes.ts';
import { readTensorBytes, readTensorFloats } from '../../../../../src/core/ir/tensor.ts';
import type { Model, Node } from '../../../../../src/core/ir/types.ts';
import { codeAt } from '../../../../../src/core/quant/support/pack-nbits.ts';

/** The weight that a MatMulNBits node stands for, as [K, N] in float64. */
export async function dequantize(model: Model, node: Node): Promise<number[]> {
  const [K, N, bits, blockSize] = ['K', 'N', 'bits', 'block_size'].map((name) => intAttr(node, name, 0)) as [
    number,
    number,
    2 | 4 | 8,
    number,
  ];
  const { initializers } = model.graph;
  const packed = await readTensorBytes(initializers.get(node.inputs[1]!)!);
  const scales = await readTensorFloats(initializers.get(node.inputs[2]!)!);
  const zeroTensor = node.inputs[3] ? initializers.get(node.inputs[3]) : undefined;
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
