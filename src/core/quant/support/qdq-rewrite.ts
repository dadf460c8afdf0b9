/** Puts QuantizeLinear and DequantizeLinear where a plan says, in the form that onnxruntime's QDQ selectors match. */
import { throwIfCancelled } from '../../base/cancel.ts';
import { attrInt } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import { bytesOf, readTensorFloats, tensorFromBytes, tensorFromInts, tensorFromNumbers } from '../../ir/tensor.ts';
import type { Node, Tensor } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import {
  type AffineParameters,
  type AffineScheme,
  affineParameters,
  codeRange,
  quantizeAffine,
  rangeOf,
} from './affine.ts';
import { nodeLabel } from './patterns.ts';
import { channelAxisOf, dataInputs } from './qdq-ops.ts';
import type { PlannedNode, QdqPlan } from './qdq-plan.ts';
import { quantizeBias, quantizeWeight } from './qdq-weights.ts';

export type ActivationType = 'int8' | 'uint8' | 'int16' | 'uint16';

export interface QdqSettings {
  readonly perChannel: boolean;
  readonly reduceRange: boolean;
  readonly weightType: 'int8' | 'uint8';
  readonly activation: AffineScheme & { readonly type: ActivationType };
  /** Of QuantizeLinear and DequantizeLinear of activations: ai.onnx has them for 16 bits from opset 21 only. */
  readonly activationDomain: '' | 'com.microsoft';
}

const codesOfType = { int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array } as const;

interface Codes {
  readonly scale: string;
  readonly zeroPoint: string;
  readonly parameters: AffineParameters;
}

export class QdqRewriter {
  /** By value, under its name in the plan. */
  readonly #codes = new Map<string, Codes>();
  readonly #constants = new Map<string, string>();
  readonly #weights = new Map<string, { readonly value: string; readonly scales: Float32Array }>();
  /** Constants that nodes no longer read. */
  readonly replaced: string[] = [];

  /** @param bounds range of every value of the plan that is not the same as another */
  constructor(
    readonly ctx: StepContext,
    readonly editor: GraphEditor,
    readonly plan: QdqPlan,
    readonly settings: QdqSettings,
    readonly bounds: ReadonlyMap<string, { readonly min: number; readonly max: number }>,
  ) {}

  async rewrite(): Promise<void> {
    const { planned, values } = this.plan;
    for (const value of values.keys()) this.#codesOf(value);
    // Weights first: they need the scales by the names that values have in the plan.
    let done = 0;
    for (const entry of planned.values()) {
      this.ctx.onProgress({ stage: 'quantizing weights', done, total: planned.size, unit: 'nodes' });
      await this.ctx.yield();
      throwIfCancelled(this.ctx.signal);
      await this.#rewriteConstants(entry);
      done += 1;
    }
    for (const { node, clipping } of planned.values()) if (clipping) this.#fold(node, clipping);
    for (const [value, maker] of values) this.#insertPair(value, maker);
    const bits = this.settings.activation.type.endsWith('16')
      ? 'quantized, activations to 16 bits'
      : 'quantized to 8 bits';
    for (const { node } of planned.values()) this.ctx.ledger.record(bits, [nodeLabel(node)], [nodeLabel(node)]);
  }

  #codesOf(value: string): Codes {
    const root = this.plan.sameAs.get(value) ?? value;
    const known = this.#codes.get(root);
    if (known) return known;
    const { min, max } = this.bounds.get(root)!;
    const codes = this.#parameters(root, affineParameters(min, max, this.settings.activation));
    this.#codes.set(root, codes);
    return codes;
  }

  #parameters(name: string, parameters: AffineParameters): Codes {
    const { type } = this.settings.activation;
    return {
      scale: this.editor.addInitializer(tensorFromNumbers(`${name}_scale`, 'float32', [], [parameters.scale])),
      zeroPoint: this.editor.addInitializer(tensorFromNumbers(`${name}_zero_point`, type, [], [parameters.zeroPoint])),
      parameters,
    };
  }

  /** The clipping node's output becomes the node's. */
  #fold(node: Node, clipping: Node): void {
    const old = node.outputs[0]!;
    const output = clipping.outputs[0]!;
    this.editor.removeNode(clipping);
    this.editor.setOutputs(node, [output, ...node.outputs.slice(1)]);
    this.editor.graph.valueInfo.delete(old);
    this.ctx.ledger.record(`folded ${clipping.opType} into the codes of its output`, [nodeLabel(clipping)], []);
  }

  #insertPair(value: string, maker: PlannedNode | undefined): void {
    const { editor } = this;
    const { scale, zeroPoint } = this.#codesOf(value);
    const codes = editor.freshName(`${value}_quantized`);
    const output = editor.freshName(`${value}_dequantized`);
    const dequantize = makeNode({
      opType: 'DequantizeLinear',
      name: editor.freshName(`${value}_DequantizeLinear`),
      domain: this.settings.activationDomain,
      inputs: [codes, scale, zeroPoint],
      outputs: [output],
    });
    let source = value;
    if (maker) {
      const position = maker.node.outputs.indexOf(value);
      editor.addNode(dequantize, { after: maker.node });
      // A graph output keeps its name, so what the node makes may get another.
      editor.replaceUses(value, output);
      source = maker.node.outputs[position]!;
    } else {
      const readers = editor.consumersOf(value).filter((reader) => this.plan.planned.has(reader));
      editor.addNode(dequantize, readers[0] ? { before: readers[0] } : {});
      for (const reader of readers) {
        const positions = new Set(dataInputs(reader));
        editor.setInputs(
          reader,
          reader.inputs.map((input, index) => (input === value && positions.has(index) ? output : input)),
        );
      }
    }
    const quantize = makeNode({
      opType: 'QuantizeLinear',
      name: editor.freshName(`${value}_QuantizeLinear`),
      domain: this.settings.activationDomain,
      inputs: [source, scale, zeroPoint],
      outputs: [codes],
    });
    editor.addNode(quantize, { before: dequantize });
  }

  async #rewriteConstants({ node, role }: PlannedNode): Promise<void> {
    const inputs = [...node.inputs];
    const weighted = role === 'core' && this.editor.constantOf(inputs[1] ?? '') !== undefined;
    if (weighted) await this.#rewriteWeighted(node, inputs);
    else if (role === 'joining')
      for (const index of dataInputs(node))
        if (this.editor.constantOf(inputs[index]!)) inputs[index] = await this.#constant(inputs[index]!);
    this.replaced.push(...node.inputs.filter((input, index) => input !== inputs[index]));
    this.editor.setInputs(node, inputs);
  }

  /** An operand of Add, Mul or Concat: codes of the activations' type. */
  async #constant(value: string): Promise<string> {
    const known = this.#constants.get(value);
    if (known !== undefined) return known;
    const tensor = this.editor.constantOf(value)!;
    const values = await readTensorFloats(tensor);
    const { min, max } = rangeOf(values);
    const scheme = this.settings.activation;
    const { scale, zeroPoint, parameters } = this.#parameters(value, affineParameters(min, max, scheme));
    const codes = new codesOfType[scheme.type](values.length);
    quantizeAffine(values, codes, parameters, codeRange(scheme));
    const stored = this.editor.addInitializer(
      tensorFromBytes(`${value}_quantized`, scheme.type, tensor.dims, bytesOf(codes)),
    );
    const output = this.#dequantizeConstant(
      value,
      [stored, scale, zeroPoint],
      undefined,
      this.settings.activationDomain,
    );
    this.#constants.set(value, output);
    return output;
  }

  async #rewriteWeighted(node: Node, inputs: string[]): Promise<void> {
    const weight = this.editor.constantOf(inputs[1]!)!;
    const axis = this.settings.perChannel ? channelAxisOf(node, weight) : undefined;
    const biasName = inputs[2] ?? '';
    const biasTensor = biasName === '' ? undefined : this.editor.constantOf(biasName)!;
    const inputScale = this.#codesOf(inputs[0]!).parameters.scale;
    const bias = biasTensor && { values: await readTensorFloats(biasTensor), inputScale };
    const { value, scales } = await this.#weight(inputs[1]!, weight, axis, bias);
    inputs[1] = value;
    if (bias) inputs[2] = this.#bias(biasName, bias.values, inputScale, scales);
  }

  async #weight(
    name: string,
    tensor: Tensor,
    axis: number | undefined,
    bias: { readonly values: Float32Array; readonly inputScale: number } | undefined,
  ): Promise<{ readonly value: string; readonly scales: Float32Array }> {
    const { reduceRange, weightType: type } = this.settings;
    const { codes, scales, zeroPoint } = await quantizeWeight({ tensor, axis, reduceRange, type, bias });
    // Nodes share the codes of a weight they share, unless a bias asks for other scales.
    const key = `${name}/${axis ?? ''}/${scales.join()}`;
    const known = this.#weights.get(key);
    if (known) return known;
    const { editor } = this;
    const dims = axis === undefined ? [] : [scales.length];
    const data = await this.ctx.store.put(codes.byteLength, [codes]);
    const inputs = [
      editor.addInitializer({ name: `${name}_quantized`, dtype: type, dims: tensor.dims, data }),
      editor.addInitializer(tensorFromNumbers(`${name}_scale`, 'float32', dims, scales)),
      editor.addInitializer(
        tensorFromNumbers(`${name}_zero_point`, type, dims, new Uint8Array(scales.length).fill(zeroPoint)),
      ),
    ];
    const stored = { value: this.#dequantizeConstant(name, inputs, axis), scales };
    this.#weights.set(key, stored);
    return stored;
  }

  #bias(name: string, values: Float32Array, inputScale: number, weightScales: Float32Array): string {
    const { editor } = this;
    const { codes, scales } = quantizeBias(name, values, inputScale, weightScales);
    const dims = weightScales.length === 1 ? [] : [scales.length];
    const zeros = new Array<number>(scales.length).fill(0);
    const zeroPoint = { ...tensorFromInts(`${name}_zero_point`, dims, zeros) };
    return this.#dequantizeConstant(
      name,
      [
        editor.addInitializer(tensorFromBytes(`${name}_quantized`, 'int32', [values.length], codes)),
        editor.addInitializer(tensorFromNumbers(`${name}_scale`, 'float32', dims, scales)),
        editor.addInitializer(tensorFromNumbers(zeroPoint.name, 'int32', dims, zeros)),
      ],
      weightScales.length === 1 ? undefined : 0,
    );
  }

  #dequantizeConstant(name: string, inputs: readonly string[], axis: number | undefined, domain = ''): string {
    const { editor } = this;
    const output = editor.freshName(`${name}_dequantized`);
    editor.addNode(
      makeNode({
        opType: 'DequantizeLinear',
        name: editor.freshName(`${name}_DequantizeLinear`),
        domain,
        inputs,
        outputs: [output],
        ...(axis === undefined ? {} : { attributes: { axis: attrInt(axis) } }),
      }),
    );
    return output;
  }
}
