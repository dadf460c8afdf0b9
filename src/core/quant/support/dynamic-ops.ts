/** The rewrites of dynamic INT8 quantization, one for each operator. */
import { attrInt, intAttr } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { dtypeInfo } from '../../ir/dtype.ts';
import { elementCount, readTensorBytes, tensorFromBytes, tensorFromInts, tensorFromNumbers } from '../../ir/tensor.ts';
import type { Node, Tensor } from '../../ir/types.ts';
import type { ShapeTable } from '../../shape/types.ts';
import type { StepContext } from '../../step/define.ts';
import type { DynamicInt8Params } from '../dynamic-int8.ts';
import { type ByteScheme, type ChannelView, perAxisView, perTensorView, quantizeTensor } from './affine-tensor.ts';
import { DynamicActivations } from './dynamic-activations.ts';
import { replaceLinear } from './linear-rewrite.ts';
import { findLinearSite, type LinearSite, type SkippedSite } from './linear-sites.ts';
import { nodeLabel } from './patterns.ts';
import { importContribOps, type Scope } from './scopes.ts';
import { computedWeights, isFloatWeight, type WeightSource, weightKey, weightSource } from './weights.ts';

/** Initializers of one quantized weight, in the graph that held the original. */
interface StoredWeight {
  readonly codes: string;
  readonly scale: string;
  readonly zeroPoint: string;
}

interface WeightRequest {
  readonly source: WeightSource;
  readonly scheme: ByteScheme;
  readonly view: ChannelView;
  readonly transpose: boolean;
  /** Dims of the scale, and of the zero point, as the operator wants them. */
  readonly scaleDims: readonly number[];
  readonly zeroPointDims: readonly number[];
}

export class DynamicQuantizer {
  readonly skipped: SkippedSite[] = [];
  /** Values that held float weights and may now be unused. */
  readonly replacedWeights: { scope: Scope; value: string }[] = [];
  readonly #activations = new DynamicActivations();
  readonly #stored = new Map<string, StoredWeight>();

  constructor(
    readonly ctx: StepContext,
    readonly scopes: readonly Scope[],
    readonly shapes: ShapeTable,
    readonly settings: DynamicInt8Params,
  ) {}

  async quantize(scope: Scope, node: Node): Promise<void> {
    switch (node.opType) {
      case 'Conv':
        return this.#convolution(scope, node);
      case 'LSTM':
        return this.#lstm(scope, node);
      default:
        return this.#linear(scope, node);
    }
  }

  #skip(node: Node, reason: string): void {
    this.skipped.push({ node, reason });
  }

  /** Asymmetric only where the kernel allows. */
  #scheme(asymmetricAllowed: boolean): ByteScheme {
    const { weightType, symmetric, reduceRange } = this.settings;
    const type = weightType === 'auto' ? 'uint8' : weightType;
    return { type, symmetric: symmetric || !asymmetricAllowed, reduceRange };
  }

  /** MatMul and Gemm: MatMulInteger of the codes, then one Mul by both scales. */
  async #linear(scope: Scope, node: Node): Promise<void> {
    const site = findLinearSite(scope, node, this.shapes);
    if (site === undefined) return;
    if (typeof site === 'string') return this.#skip(node, site);
    if (site.weight.tensor.dtype !== 'float32') return this.#skip(node, notFloat32(site.weight.tensor));
    const weight = await this.#store(this.#linearRequest(site));
    const { editor } = scope;
    const labels = replaceLinear(site, (activation, output) => {
      const quantized = this.#activations.quantize(scope, activation, node);
      const product = editor.freshName(`${output}_int32`);
      const integers = makeNode({
        opType: 'MatMulInteger',
        name: editor.freshName(`${nodeLabel(node)}_quant`),
        inputs: [quantized.codes, weight.codes, quantized.zeroPoint, weight.zeroPoint],
        outputs: [product],
      });
      return [integers, ...this.#rescale(scope, product, quantized.scale, weight.scale, output)];
    });
    this.ctx.ledger.record(`quantized ${node.opType} to INT8`, [nodeLabel(node)], labels);
    this.replacedWeights.push({ scope, value: site.weightValue });
  }

  #linearRequest(site: LinearSite): WeightRequest {
    const { tensor } = site.weight;
    const rank = tensor.dims.length;
    const perChannel = this.settings.granularity === 'channel';
    const transpose = site.order === 'rows';
    const axis = transpose ? rank - 2 : rank - 1;
    const dims = perChannel ? [site.N] : [];
    return {
      source: site.weight,
      scheme: this.#scheme(true),
      view: perChannel ? perAxisView(tensor.dims, axis) : perTensorView(tensor.dims),
      transpose,
      scaleDims: dims,
      zeroPointDims: dims,
    };
  }

  /** float(product) * (activation scale * weight scale). The shape that onnxruntime fuses to DynamicQuantizeMatMul. */
  #rescale(scope: Scope, product: string, activationScale: string, weightScale: string, output: string): Node[] {
    const { editor } = scope;
    const scale = editor.freshName(`${output}_scale`);
    const asFloat = editor.freshName(`${output}_float`);
    const named = (opType: string) => editor.freshName(`${output}_${opType}`);
    return [
      makeNode({ opType: 'Mul', name: named('scales_Mul'), inputs: [activationScale, weightScale], outputs: [scale] }),
      makeNode({
        opType: 'Cast',
        name: named('Cast'),
        inputs: [product],
        outputs: [asFloat],
        attributes: { to: attrInt(dtypeInfo.float32.onnx) },
      }),
      makeNode({ opType: 'Mul', name: named('Mul'), inputs: [asFloat, scale], outputs: [output] }),
    ];
  }

  /**
   * Conv: ConvInteger takes one zero point for the whole weight, so channels get their own scale by symmetric codes
   * (zero point 0 or 128 for all of them) and a Mul by [M, 1, .., 1] afterwards.
   */
  async #convolution(scope: Scope, node: Node): Promise<void> {
    const source = weightSource(scope, node.inputs[1] ?? '');
    if (!source || source.transposed || !isFloatWeight(source.tensor)) return;
    const { tensor } = source;
    if (tensor.dtype !== 'float32') return this.#skip(node, notFloat32(tensor));
    if (tensor.dims.length < 3) return this.#skip(node, `its weight has rank ${tensor.dims.length}`);
    const perChannel = this.settings.granularity === 'channel';
    const channels = tensor.dims[0]!;
    const channelDims = [channels, ...tensor.dims.slice(2).map(() => 1)];
    const weight = await this.#store({
      source,
      scheme: this.#scheme(!perChannel),
      view: perChannel ? perAxisView(tensor.dims, 0) : perTensorView(tensor.dims),
      transpose: false,
      scaleDims: perChannel ? channelDims : [],
      zeroPointDims: [],
    });
    const { editor } = scope;
    const output = node.outputs[0]!;
    const bias = node.inputs[2] || undefined;
    const biasNodes: Node[] = [];
    const shapedBias = bias === undefined ? undefined : await this.#channelBias(scope, bias, channelDims, biasNodes);
    const quantized = this.#activations.quantize(scope, node.inputs[0]!, node);
    const product = editor.freshName(`${output}_int32`);
    const scaled = shapedBias === undefined ? output : editor.freshName(`${output}_scaled`);
    const nodes = [
      ...biasNodes,
      makeNode({
        opType: 'ConvInteger',
        name: editor.freshName(`${nodeLabel(node)}_quant`),
        inputs: [quantized.codes, weight.codes, quantized.zeroPoint, weight.zeroPoint],
        outputs: [product],
        attributes: node.attributes,
      }),
      ...this.#rescale(scope, product, quantized.scale, weight.scale, scaled),
    ];
    if (shapedBias !== undefined)
      nodes.push(
        makeNode({
          opType: 'Add',
          name: editor.freshName(`${nodeLabel(node)}_bias`),
          inputs: [scaled, shapedBias],
          outputs: [output],
        }),
      );
    editor.replaceNode(node, nodes);
    this.ctx.ledger.record('quantized Conv to INT8', [nodeLabel(node)], nodes.map(nodeLabel));
    this.replacedWeights.push({ scope, value: node.inputs[1]! });
    if (bias !== undefined) this.replacedWeights.push({ scope, value: bias });
  }

  /** The bias as [M, 1, .., 1]: a constant is stored in that shape, anything else goes through a Reshape. */
  async #channelBias(scope: Scope, bias: string, dims: readonly number[], nodes: Node[]): Promise<string> {
    const { editor } = scope;
    const constant = weightSource(scope, bias);
    if (constant && !constant.transposed && elementCount(constant.tensor.dims) === dims[0])
      return constant.scope.editor.addInitializer(
        tensorFromBytes(`${bias}_per_channel`, constant.tensor.dtype, dims, await readTensorBytes(constant.tensor)),
      );
    const shape = editor.addInitializer(tensorFromInts(`${bias}_shape`, [dims.length], dims));
    const output = editor.freshName(`${bias}_per_channel`);
    nodes.push(
      makeNode({
        opType: 'Reshape',
        name: editor.freshName(`${bias}_Reshape`),
        inputs: [bias, shape],
        outputs: [output],
      }),
    );
    return output;
  }

  /** LSTM: com.microsoft.DynamicQuantizeLSTM, weights transposed to [directions, inputs, 4 * hidden], symmetric int8. */
  async #lstm(scope: Scope, node: Node): Promise<void> {
    const sources = [1, 2].map((index) => weightSource(scope, node.inputs[index] ?? ''));
    const [input, recurrence] = sources;
    if (!input || !recurrence) return this.#skip(node, computedWeights);
    for (const { tensor, transposed } of [input, recurrence]) {
      if (transposed || tensor.dims.length !== 3) return this.#skip(node, 'its weights are not plain constants');
      if (tensor.dtype !== 'float32') return this.#skip(node, notFloat32(tensor));
    }
    if (intAttr(node, 'layout', 0) !== 0)
      return this.#skip(node, 'its layout is batch first, which DynamicQuantizeLSTM does not have');
    const w = await this.#store(this.#lstmRequest(input));
    const r = await this.#store(this.#lstmRequest(recurrence));
    const inputs = Array.from({ length: 8 }, (_, index) => node.inputs[index] ?? '');
    inputs[1] = w.codes;
    inputs[2] = r.codes;
    const attributes = new Map(node.attributes);
    attributes.delete('layout');
    const replacement = makeNode({
      opType: 'DynamicQuantizeLSTM',
      domain: 'com.microsoft',
      name: scope.editor.freshName(`${nodeLabel(node)}_quant`),
      inputs: [...inputs, w.scale, w.zeroPoint, r.scale, r.zeroPoint],
      outputs: node.outputs,
      attributes,
    });
    scope.editor.replaceNode(node, [replacement]);
    importContribOps(this.ctx.model);
    this.ctx.ledger.record('quantized LSTM to INT8', [nodeLabel(node)], [nodeLabel(replacement)]);
    for (const index of [1, 2]) this.replacedWeights.push({ scope, value: node.inputs[index]! });
  }

  #lstmRequest(source: WeightSource): WeightRequest {
    const { dims } = source.tensor;
    const perChannel = this.settings.granularity === 'channel';
    const parameterDims = perChannel ? dims.slice(0, 2) : dims.slice(0, 1);
    // int8 is all that the kernel takes; in 7 bits it cannot saturate.
    const reduceRange = this.settings.reduceRange || this.settings.weightType === 'auto';
    return {
      source,
      scheme: { type: 'int8', symmetric: true, reduceRange },
      view: perAxisView(dims, 0, perChannel ? 2 : 1),
      transpose: true,
      scaleDims: parameterDims,
      zeroPointDims: parameterDims,
    };
  }

  /** Quantizes a weight once for all nodes that want it in the same form. */
  async #store(request: WeightRequest): Promise<StoredWeight> {
    const { source, scheme, view, transpose, scaleDims, zeroPointDims } = request;
    const key = [weightKey(source), scheme.type, scheme.symmetric, view.channels, transpose, scaleDims.length].join(
      '/',
    );
    const known = this.#stored.get(key);
    if (known) return known;
    const oneZeroPoint = zeroPointDims.length === 0;
    const quantized = await quantizeTensor(this.ctx, { tensor: source.tensor, scheme, view, transpose, oneZeroPoint });
    const name = source.valueName;
    const add = (tensor: Tensor) => source.scope.editor.addInitializer(tensor);
    const zeroPoints = oneZeroPoint ? quantized.zeroPoints.slice(0, 1) : quantized.zeroPoints;
    const stored = {
      codes: add({ name: `${name}_quantized`, dtype: scheme.type, dims: quantized.dims, data: quantized.data }),
      scale: add(tensorFromNumbers(`${name}_scale`, 'float32', scaleDims, quantized.scales)),
      zeroPoint: add(tensorFromNumbers(`${name}_zero_point`, scheme.type, zeroPointDims, zeroPoints)),
    };
    this.#stored.set(key, stored);
    return stored;
  }
}

const notFloat32 = (tensor: Tensor) => `its weight is ${tensor.dtype}, and DynamicQuantizeLinear takes float32 only`;
