/** Puts float8 codes and what turns them into float32 around the inputs of products and convolutions. */
import { attrInt, attrInts } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { dtypeInfo } from '../../ir/dtype.ts';
import { tensorFromNumbers } from '../../ir/tensor.ts';
import type { Node } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import { perAxisView, perTensorView } from './affine-tensor.ts';
import { type Float8Type, float8Scale, quantizeToFloat8 } from './float8.ts';
import type { Scope } from './scopes.ts';
import type { WeightUse } from './weight-uses.ts';

export interface Float8Settings {
  readonly format: Float8Type;
  readonly granularity: 'channel' | 'tensor';
  /**
   * export: QuantizeLinear and DequantizeLinear. simulated: what these compute, written out as division, Casts and
   * multiplication; onnxruntime 1.30 takes the former for 8-bit integers and makes invalid nodes of them (QLinearConv,
   * MatMulIntegerToFloat, QGemm, and an exception where Clip comes before QuantizeLinear).
   */
  readonly form: 'simulated' | 'export';
}

export class Float8Rewriter {
  readonly #weights = new Map<string, string>();
  readonly #activations = new Map<string, string>();

  constructor(
    readonly ctx: StepContext,
    readonly settings: Float8Settings,
  ) {}

  /** The node reads the weight back from its codes. */
  async rewriteWeight({ scope, node, inputIndex, source, channelAxis }: WeightUse): Promise<void> {
    const axis = this.settings.granularity === 'channel' ? channelAxis : undefined;
    const key = `${source.scope.index}/${source.valueName}/${axis ?? ''}`;
    let value = this.#weights.get(key);
    if (value === undefined) {
      value = await this.#storeWeight(source, axis);
      this.#weights.set(key, value);
    }
    setInput(scope, node, inputIndex, source.transposed ? this.#transposed(source.scope, value) : value);
  }

  /** The node reads the value through QuantizeLinear and DequantizeLinear, one pair for all nodes that do. */
  rewriteActivation(scope: Scope, node: Node, inputIndex: number, largest: number): void {
    const { editor } = scope;
    const value = node.inputs[inputIndex]!;
    let output = this.#activations.get(value);
    if (output === undefined) {
      const { format, form } = this.settings;
      const scale = editor.addInitializer(
        tensorFromNumbers(`${value}_scale`, 'float32', [], [float8Scale(format, largest)]),
      );
      if (form === 'export') {
        const zero = editor.addInitializer(tensorFromNumbers(`${value}_zero_point`, format, [], [0]));
        const codes = add(scope, 'QuantizeLinear', [value, scale, zero], `${value}_quantized`);
        output = add(scope, 'DequantizeLinear', [codes, scale, zero], `${value}_dequantized`);
      } else {
        const scaled = add(scope, 'Div', [value, scale], `${value}_scaled`);
        const codes = add(scope, 'Cast', [scaled], `${value}_quantized`, castTo(format));
        const floats = add(scope, 'Cast', [codes], `${value}_float`, castTo('float32'));
        output = add(scope, 'Mul', [floats, scale], `${value}_dequantized`);
      }
      this.#activations.set(value, output);
    }
    setInput(scope, node, inputIndex, output);
  }

  async #storeWeight({ scope, tensor, valueName }: WeightUse['source'], axis: number | undefined): Promise<string> {
    const { format, form } = this.settings;
    const { editor } = scope;
    const view = axis === undefined ? perTensorView(tensor.dims) : perAxisView(tensor.dims, axis);
    const { data, scales } = await quantizeToFloat8(this.ctx, { ...tensor, name: valueName }, format, view);
    const codes = editor.addInitializer({ name: `${valueName}_quantized`, dtype: format, dims: tensor.dims, data });
    const parameter = (what: string, dtype: 'float32' | Float8Type, dims: readonly number[], values: Float32Array) =>
      editor.addInitializer(tensorFromNumbers(`${valueName}_${what}`, dtype, dims, values));
    const output = `${valueName}_dequantized`;
    if (form === 'export') {
      const dims = axis === undefined ? [] : [scales.length];
      const inputs = [
        codes,
        parameter('scale', 'float32', dims, scales),
        parameter('zero_point', format, dims, new Float32Array(scales.length)),
      ];
      return add(scope, 'DequantizeLinear', inputs, output, axis === undefined ? {} : { axis: attrInt(axis) });
    }
    const dims = axis === undefined ? [] : tensor.dims.map((dim, at) => (at === axis ? dim : 1));
    const floats = add(scope, 'Cast', [codes], `${valueName}_float`, castTo('float32'));
    return add(scope, 'Mul', [floats, parameter('scale', 'float32', dims, scales)], output);
  }

  #transposed(scope: Scope, value: string): string {
    const key = `T/${scope.index}/${value}`;
    const known = this.#weights.get(key);
    if (known !== undefined) return known;
    const output = add(scope, 'Transpose', [value], `${value}_transposed`, { perm: attrInts([1, 0]) });
    this.#weights.set(key, output);
    return output;
  }
}

/** Values beyond the range of an 8-bit float become its largest (`saturate`, 1 by default). */
const castTo = (dtype: 'float32' | Float8Type) => ({ to: attrInt(dtypeInfo[dtype].onnx) });

function add(
  { editor }: Scope,
  opType: string,
  inputs: readonly string[],
  hint: string,
  attributes: Record<string, ReturnType<typeof attrInt>> = {},
): string {
  const output = editor.freshName(hint);
  editor.addNode(
    makeNode({ opType, name: editor.freshName(`${output}_${opType}`), inputs, outputs: [output], attributes }),
  );
  return output;
}

function setInput({ editor }: Scope, node: Node, inputIndex: number, value: string): void {
  editor.setInputs(
    node,
    node.inputs.map((input, index) => (index === inputIndex ? value : input)),
  );
}
