/**
 * Weights that are stored in 8 bits and used in floating point: the nodes that expand them, in two forms. `load`:
 * Cast and Mul of constants, valid in any opset, which the runtime folds once when it loads the model. `run`:
 * DequantizeLinear, which the runtime keeps and computes (or fuses) in every run.
 */
import { attrInt } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { dtypeInfo } from '../../ir/dtype.ts';
import { tensorFromInts, tensorFromNumbers } from '../../ir/tensor.ts';
import type { Node, Tensor } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import {
  type ByteScheme,
  blockView,
  type ChannelView,
  perAxisView,
  perTensorView,
  quantizeTensor,
} from './affine-tensor.ts';
import type { Scope } from './scopes.ts';
import type { WeightSource } from './weights.ts';

export type ExpandForm = 'load' | 'run';

/** Which elements of a weight share a scale. */
export type Grouping =
  | { readonly kind: 'tensor' }
  | { readonly kind: 'channel'; readonly axis: number }
  /** Runs of `size` along `axis`, whose length is a multiple of it, within each index of the other axes. */
  | { readonly kind: 'block'; readonly axis: number; readonly size: number };

/** Codes and their parameters as initializers, beside the original weight. */
export interface StoredBytes {
  readonly dims: readonly number[];
  readonly dtype: 'float32' | 'float16';
  readonly grouping: Grouping;
  readonly codes: string;
  /** Scale and zero point in float, shaped to broadcast against the codes (with the block axis split in two). */
  readonly scale: string;
  readonly zeroPoint: string | undefined;
}

interface Layout {
  readonly view: ChannelView;
  /** Dims that the codes have while they are multiplied. */
  readonly expandDims: readonly number[];
  readonly parameterDims: readonly number[];
}

/** A block axis is split in two, [.., K/size, size, ..]; the scale is 1 long on the second of these. */
function layoutOf(dims: readonly number[], grouping: Grouping): Layout {
  switch (grouping.kind) {
    case 'tensor':
      return { view: perTensorView(dims), expandDims: dims, parameterDims: [] };
    case 'channel': {
      const parameterDims = dims.map((dim, axis) => (axis === grouping.axis ? dim : 1));
      return { view: perAxisView(dims, grouping.axis), expandDims: dims, parameterDims };
    }
    case 'block': {
      const { axis, size } = grouping;
      const expandDims = [...dims.slice(0, axis), dims[axis]! / size, size, ...dims.slice(axis + 1)];
      return {
        view: blockView(dims, axis, size),
        expandDims,
        parameterDims: expandDims.map((dim, at) => (at === axis + 1 ? 1 : dim)),
      };
    }
  }
}

export class WeightStore {
  readonly #stored = new Map<string, StoredBytes>();
  readonly #expanded = new Map<string, string>();

  constructor(
    readonly ctx: StepContext,
    readonly scheme: ByteScheme,
    readonly form: ExpandForm,
  ) {}

  /** Quantizes the stored tensor, once for all uses with the same grouping. */
  async store(source: WeightSource, grouping: Grouping): Promise<StoredBytes> {
    const key = `${source.scope.index}/${source.valueName}/${JSON.stringify(grouping)}`;
    const known = this.#stored.get(key);
    if (known) return known;
    const { tensor, valueName: name } = source;
    const { view, parameterDims } = layoutOf(tensor.dims, grouping);
    const quantized = await quantizeTensor(this.ctx, { tensor, scheme: this.scheme, view });
    const dtype = tensor.dtype === 'float16' ? 'float16' : 'float32';
    const { editor } = source.scope;
    const add = (added: Tensor) => editor.addInitializer(added);
    const hasZeroPoint = quantized.zeroPoints.some((zeroPoint) => zeroPoint !== 0);
    const stored: StoredBytes = {
      dims: tensor.dims,
      dtype,
      grouping,
      codes: add({ name: `${name}_quantized`, dtype: this.scheme.type, dims: tensor.dims, data: quantized.data }),
      scale: add(
        tensorFromNumbers(
          `${name}_scale`,
          dtype,
          this.#parameterDims(tensor, grouping, parameterDims),
          quantized.scales,
        ),
      ),
      zeroPoint: hasZeroPoint
        ? add(
            tensorFromNumbers(
              `${name}_zero_point`,
              this.form === 'run' ? this.scheme.type : dtype,
              this.#parameterDims(tensor, grouping, parameterDims),
              quantized.zeroPoints,
            ),
          )
        : undefined,
    };
    this.#stored.set(key, stored);
    return stored;
  }

  /** DequantizeLinear wants a vector per axis and, blocked, the data's rank; the other form broadcasts. */
  #parameterDims(tensor: Tensor, grouping: Grouping, broadcast: readonly number[]): readonly number[] {
    if (this.form === 'load' || grouping.kind === 'tensor') return broadcast;
    if (grouping.kind === 'channel') return [tensor.dims[grouping.axis]!];
    return tensor.dims.map((dim, axis) => (axis === grouping.axis ? dim / grouping.size : dim));
  }

  /** The weight in floating point again, as a value in the graph that held it. */
  expand(source: WeightSource, stored: StoredBytes): string {
    const known = this.#expanded.get(stored.codes);
    if (known !== undefined) return known;
    const { editor } = source.scope;
    const output = editor.freshName(`${source.valueName}_expanded`);
    const nodes =
      this.form === 'run' ? [dequantizeNode(source.scope, stored, output)] : castNodes(source.scope, stored, output);
    for (const node of nodes) editor.addNode(node);
    this.#expanded.set(stored.codes, output);
    return output;
  }
}

function dequantizeNode(scope: Scope, { grouping, codes, scale, zeroPoint }: StoredBytes, output: string): Node {
  return makeNode({
    opType: 'DequantizeLinear',
    name: scope.editor.freshName(`${output}_DequantizeLinear`),
    inputs: zeroPoint === undefined ? [codes, scale] : [codes, scale, zeroPoint],
    outputs: [output],
    attributes: {
      ...(grouping.kind === 'tensor' ? {} : { axis: attrInt(grouping.axis) }),
      ...(grouping.kind === 'block' ? { block_size: attrInt(grouping.size) } : {}),
    },
  });
}

/** (Cast(codes) - zero point) * scale, around a Reshape each way where blocks split an axis. */
function castNodes(scope: Scope, stored: StoredBytes, output: string): Node[] {
  const { editor } = scope;
  const nodes: Node[] = [];
  const add = (opType: string, inputs: string[], last: boolean, attributes: Node['attributes'] = new Map()): string => {
    const result = last ? output : editor.freshName(`${output}_${opType}`);
    nodes.push(makeNode({ opType, name: editor.freshName(`${result}_node`), inputs, outputs: [result], attributes }));
    return result;
  };
  const shape = (what: string, dims: readonly number[]) =>
    editor.addInitializer(tensorFromInts(`${output}_${what}`, [dims.length], dims));
  const isBlocked = stored.grouping.kind === 'block';
  const to = new Map([['to', attrInt(dtypeInfo[stored.dtype].onnx)]]);
  let value = add('Cast', [stored.codes], false, to);
  if (isBlocked)
    value = add('Reshape', [value, shape('blocks', layoutOf(stored.dims, stored.grouping).expandDims)], false);
  if (stored.zeroPoint !== undefined) value = add('Sub', [value, stored.zeroPoint], false);
  value = add('Mul', [value, stored.scale], !isBlocked);
  if (isBlocked) add('Reshape', [value, shape('dims', stored.dims)], true);
  return nodes;
}
