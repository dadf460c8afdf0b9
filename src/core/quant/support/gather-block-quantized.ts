/**
 * com.microsoft.GatherBlockQuantized (onnxruntime 1.30): picks rows of a table of codes and expands only those. With
 * uint8 data its layout is that of MatMulNBits without the block dimension, which was checked on the CPU, WASM and
 * WebGPU kernels: codes from the low bits on, zero points packed by rows, zero point 2^(bits-1) where none is given.
 */
import { attrInt } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { tensorFromInts } from '../../ir/tensor.ts';
import type { Node } from '../../ir/types.ts';
import type { EmbeddingTable, GatherSite } from './embedding-sites.ts';
import { nodeLabel } from './patterns.ts';
import type { SharedCodes } from './tied-codes.ts';

/**
 * The WebGPU kernel takes packed 4-bit zero points only where a row has an even number of them ("scales and zero_points
 * must have the same shape").
 */
export function zeroPointsFitWebgpu(columns: number, bits: number, blockSize: number): boolean {
  return bits === 8 || Math.ceil(columns / blockSize) % (8 / bits) === 0;
}

/** The table of codes without the block dimension, [rows, bytes], made once for all that pick from it. */
export function flatCodes({ scope, packed, bits, blockSize }: SharedCodes, table: EmbeddingTable): string {
  const { editor } = scope;
  const rowBytes = Math.ceil(table.columns / blockSize) * ((blockSize * bits) / 8);
  const shape = editor.addInitializer(tensorFromInts(`${packed}_shape`, [2], [table.rows, rowBytes]));
  const output = editor.freshName(`${packed}_rows`);
  editor.addNode(
    makeNode({
      opType: 'Reshape',
      name: editor.freshName(`${output}_Reshape`),
      inputs: [packed, shape],
      outputs: [output],
    }),
  );
  return output;
}

/**
 * @param rows name of uint8 [rows, bytes]
 * @returns labels of the new nodes
 */
export function replaceGather(
  site: GatherSite,
  table: EmbeddingTable,
  codes: Pick<SharedCodes, 'bits' | 'blockSize' | 'scales' | 'zeroPoints'>,
  rows: string,
): readonly string[] {
  const { editor } = site.scope;
  const { bits, blockSize, scales, zeroPoints } = codes;
  const isPadded = table.columns % blockSize !== 0;
  const gathered = isPadded ? editor.freshName(`${site.output}_padded`) : site.output;
  const nodes: Node[] = [
    makeNode({
      opType: 'GatherBlockQuantized',
      domain: 'com.microsoft',
      name: editor.freshName(`${nodeLabel(site.node)}_Q${bits}`),
      inputs: [rows, site.indices, scales, ...(zeroPoints === undefined ? [] : [zeroPoints])],
      outputs: [gathered],
      attributes: {
        bits: attrInt(bits),
        block_size: attrInt(blockSize),
        gather_axis: attrInt(0),
        quantize_axis: attrInt(1),
      },
    }),
  ];
  if (isPadded) {
    const ints = (what: string, value: number) =>
      editor.addInitializer(tensorFromInts(`${site.output}_${what}`, [1], [value]));
    nodes.push(
      makeNode({
        opType: 'Slice',
        name: editor.freshName(`${nodeLabel(site.node)}_Slice`),
        inputs: [gathered, ints('start', 0), ints('end', table.columns), ints('axis', -1)],
        outputs: [site.output],
      }),
    );
  }
  editor.replaceNode(site.node, nodes);
  return nodes.map(nodeLabel);
}
