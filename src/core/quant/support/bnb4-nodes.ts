/** com.microsoft.MatMulBnb4 nodes and the constants they read. */
import { attrInt } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { dtypeInfo } from '../../ir/dtype.ts';
import { bytesOf, tensorByteLength, tensorFromBytes, tensorFromInts, tensorFromNumbers } from '../../ir/tensor.ts';
import type { Tensor } from '../../ir/types.ts';
import { absmaxTensor, type Bnb4Matrix } from './bnb4-matrix.ts';
import { quantTypeOf } from './codebook.ts';
import { ABSMAX_BLOCK, dynamicTree, quantizeAbsmax } from './double-quantization.ts';
import { replaceLinear } from './linear-rewrite.ts';
import type { LinearSite } from './linear-sites.ts';
import { nodeLabel } from './patterns.ts';
import type { Scope } from './scopes.ts';

/** A weight in the graph that held the original. */
export interface StoredBnb4 {
  readonly matrix: Bnb4Matrix;
  /** Value names. */
  readonly packed: string;
  readonly absmax: string;
  /** All tensors of the weight; the table of double quantization, which all weights share, apart. */
  readonly byteLength: number;
}

/** One for each model: the table of double quantization is stored once a graph. */
export class Bnb4Store {
  readonly #tables = new Map<Scope, string>();

  constructor(readonly doubleQuantization: boolean) {}

  add(scope: Scope, matrix: Bnb4Matrix): StoredBnb4 {
    const { editor } = scope;
    const packed = editor.addInitializer(matrix.packed);
    const bytes = tensorByteLength(matrix.packed);
    if (this.doubleQuantization) {
      const { name, byteLength } = this.#addQuantizedAbsmax(scope, matrix, packed);
      return { matrix, packed, absmax: name, byteLength: bytes + byteLength };
    }
    const tensor = absmaxTensor(matrix);
    return { matrix, packed, absmax: editor.addInitializer(tensor), byteLength: bytes + tensorByteLength(tensor) };
  }

  /**
   * mean + scale[group] * table[code], cut to the number of blocks: constants, which the runtime folds when it loads the
   * model, since the operator takes its scales in float32 only.
   */
  #addQuantizedAbsmax(scope: Scope, matrix: Bnb4Matrix, base: string): { name: string; byteLength: number } {
    const { editor } = scope;
    const { codes, scales, mean } = quantizeAbsmax(matrix.absmax);
    const groups = scales.length;
    const tensors: Tensor[] = [
      tensorFromBytes(`${base}_absmax_codes`, 'uint8', [groups, ABSMAX_BLOCK], codes),
      tensorFromBytes(`${base}_absmax_scales`, 'float32', [groups, 1], bytesOf(scales)),
      tensorFromNumbers(`${base}_absmax_mean`, 'float32', [], [mean]),
    ];
    const [codesName, scalesName, meanName] = tensors.map((tensor) => editor.addInitializer(tensor)) as [
      string,
      string,
      string,
    ];
    const add = (opType: string, inputs: string[], attributes: Record<string, ReturnType<typeof attrInt>> = {}) => {
      const output = editor.freshName(`${base}_absmax_${opType}`);
      editor.addNode(
        makeNode({ opType, name: editor.freshName(`${output}_node`), inputs, outputs: [output], attributes }),
      );
      return output;
    };
    const ints = (what: string, values: number[]) =>
      editor.addInitializer(tensorFromInts(`${base}_absmax_${what}`, [values.length], values));
    const indices = add('Cast', [codesName], { to: attrInt(dtypeInfo.int32.onnx) });
    const centred = add('Mul', [add('Gather', [this.#table(scope), indices]), scalesName]);
    const flat = add('Reshape', [add('Add', [centred, meanName]), ints('flat', [-1])]);
    const count = matrix.absmax.length;
    const name =
      count === groups * ABSMAX_BLOCK ? flat : add('Slice', [flat, ints('start', [0]), ints('end', [count])]);
    return { name, byteLength: tensors.reduce((sum, tensor) => sum + tensorByteLength(tensor), 0) };
  }

  #table(scope: Scope): string {
    const known = this.#tables.get(scope);
    if (known !== undefined) return known;
    const table = tensorFromBytes('dynamic_tree_8bit', 'float32', [256], bytesOf(dynamicTree()));
    const name = scope.editor.addInitializer(table);
    this.#tables.set(scope, name);
    return name;
  }
}

/** @returns labels of the new nodes */
export function replaceWithMatMulBnb4(site: LinearSite, { matrix, packed, absmax }: StoredBnb4): readonly string[] {
  return replaceLinear(site, (activation, output) => [
    makeNode({
      opType: 'MatMulBnb4',
      domain: 'com.microsoft',
      name: site.scope.editor.freshName(`${nodeLabel(site.node)}_${matrix.codebook.toUpperCase()}`),
      inputs: [activation, packed, absmax],
      outputs: [output],
      attributes: {
        K: attrInt(matrix.K),
        N: attrInt(matrix.N),
        block_size: attrInt(matrix.blockSize),
        quant_type: attrInt(quantTypeOf[matrix.codebook]),
      },
    }),
  ]);
}
