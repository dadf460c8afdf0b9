/**
 * From the QDQ form to the QOperator form: each operator between DequantizeLinear and QuantizeLinear becomes the one that
 * computes on codes, as onnxruntime's optimizer does when it loads the QDQ form (QLinearConv and QLinearMatMul of ai.onnx,
 * the others of com.microsoft, docs/ContribOperators.md). For runtimes that want it, and to load faster.
 */
import { attrInt } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import type { Node } from '../../ir/types.ts';
import { isDefaultDomain } from '../../ir/walk.ts';
import { dataInputs, dataOutputs, qdqOps } from './qdq-ops.ts';

const CONTRIB = 'com.microsoft';

/** Codes with their scale and zero point. */
type Triple = readonly [codes: string, scale: string, zeroPoint: string];

interface Site {
  readonly node: Node;
  readonly editor: GraphEditor;
  readonly opset: number;
  /** By position among the node's inputs; those that carry no data are as they were. */
  readonly read: ReadonlyMap<number, Triple>;
  /** Undefined where the node answers in float32. */
  readonly made: readonly [scale: string, zeroPoint: string] | undefined;
}

interface Replacement {
  readonly opType: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly attributes?: Node['attributes'];
}

/** @returns nodes that have become operators on codes, and those that stay in the QDQ form */
export function toQOperators(
  editor: GraphEditor,
  nodes: Iterable<Node>,
  opset: number,
): { readonly converted: Node[]; readonly kept: Node[] } {
  const converted: Node[] = [];
  const kept: Node[] = [];
  for (const node of nodes) (convert(editor, node, opset) ? converted : kept).push(node);
  for (const node of editor.nodes()) if (isDequantize(node)) dropIfUnread(editor, node);
  return { converted, kept };
}

const isDequantize = ({ opType }: Node) => opType === 'DequantizeLinear';

function dropIfUnread(editor: GraphEditor, node: Node): void {
  const output = node.outputs[0]!;
  if (editor.countUses(output) > 0 || editor.isGraphOutput(output)) return;
  editor.removeNode(node);
  for (const input of node.inputs)
    if (editor.graph.initializers.has(input) && editor.countUses(input) === 0) editor.removeInitializer(input);
}

function convert(editor: GraphEditor, node: Node, opset: number): boolean {
  const read = new Map<number, Triple>();
  const quantizedPositions = [...dataInputs(node), ...(qdqOps[node.opType]!.role === 'core' ? [1, 2] : [])];
  for (const position of new Set(quantizedPositions)) {
    const dequantize = editor.producerOf(node.inputs[position] ?? '');
    if (dequantize && isDequantize(dequantize))
      read.set(position, [dequantize.inputs[0]!, dequantize.inputs[1]!, dequantize.inputs[2]!]);
    else if ((node.inputs[position] ?? '') !== '') return false;
  }
  const quantizers = dataOutputs(node).map((output) => quantizeOf(editor, output));
  const isFloat = quantizers.every((quantizer) => quantizer === undefined);
  if (!isFloat && quantizers.includes(undefined)) return false;
  const made = quantizers[0] && ([quantizers[0].inputs[1]!, quantizers[0].inputs[2]!] as const);
  const replacement = replace({ node, editor, opset, read, made });
  if (!replacement) return false;
  const codes = (quantizers as Node[]).map((quantizer) => quantizer?.outputs[0]);
  const outputs = dataOutputs(node).map((output, i) => codes[i] ?? output);
  for (const quantizer of quantizers) if (quantizer) editor.removeNode(quantizer);
  for (const output of dataOutputs(node)) if (!isFloat) editor.graph.valueInfo.delete(output);
  const inputs = replacement.inputs;
  editor.replaceNode(node, [
    makeNode({ name: node.name, ...replacement, inputs, outputs, attributes: replacement.attributes ?? new Map() }),
  ]);
  return true;
}

function quantizeOf(editor: GraphEditor, value: string): Node | undefined {
  const reader = editor.singleConsumer(value);
  return reader?.opType === 'QuantizeLinear' ? reader : undefined;
}

function replace(site: Site): Replacement | undefined {
  const { node, read, made, opset } = site;
  if (!isDefaultDomain(node.domain)) return undefined;
  const { attributes } = node;
  const flat = dataInputs(node).flatMap((position) => read.get(position)!);
  switch (node.opType) {
    case 'Conv':
      // Its bias is codes alone: their scale is that of the product.
      return (
        made && {
          opType: 'QLinearConv',
          domain: '',
          inputs: [...flat, ...read.get(1)!, ...made, ...bias(site)],
          attributes,
        }
      );
    case 'MatMul': {
      if (made) return { opType: 'QLinearMatMul', domain: '', inputs: [...flat, ...made] };
      const [[a, aScale, aZero], [b, bScale, bZero]] = [read.get(0)!, read.get(1)!];
      return { opType: 'MatMulIntegerToFloat', domain: CONTRIB, inputs: [a, b, aScale, bScale, aZero, bZero] };
    }
    case 'Gemm': {
      const inputs = [...flat, ...read.get(1)!, bias(site)[0] ?? '', ...(made ?? [])];
      return { opType: 'QGemm', domain: CONTRIB, inputs, attributes: picked(node, ['transA', 'transB', 'alpha']) };
    }
    case 'Add':
    case 'Mul':
      return made && { opType: `QLinear${node.opType}`, domain: CONTRIB, inputs: [...flat, ...made] };
    case 'Where':
      return made && { opType: 'QLinearWhere', domain: CONTRIB, inputs: [node.inputs[0]!, ...flat, ...made] };
    case 'Concat':
      return made && { opType: 'QLinearConcat', domain: CONTRIB, inputs: [...made, ...flat], attributes };
    case 'AveragePool': {
      const known = ['auto_pad', 'ceil_mode', 'count_include_pad', 'kernel_shape', 'pads', 'strides'];
      if (!made || [...attributes.keys()].some((key) => !known.includes(key))) return undefined;
      return { opType: 'QLinearAveragePool', domain: CONTRIB, inputs: [...flat, ...made], attributes };
    }
    case 'GlobalAveragePool':
    case 'LeakyRelu':
    case 'Sigmoid':
      return made && { opType: `QLinear${node.opType}`, domain: CONTRIB, inputs: [...flat, ...made], attributes };
    case 'Softmax': {
      const axis = attributes.get('axis') ?? attrInt(opset < 13 ? 1 : -1);
      const withOpset = new Map([...attributes, ['axis', axis] as const, ['opset', attrInt(opset)] as const]);
      return made && { opType: 'QLinearSoftmax', domain: CONTRIB, inputs: [...flat, ...made], attributes: withOpset };
    }
    default:
      return qdqOps[node.opType]!.role === 'moving' && made
        ? { opType: node.opType, domain: '', inputs: [read.get(0)![0], ...node.inputs.slice(1)], attributes }
        : undefined;
  }
}

const bias = ({ read }: Site): string[] => {
  const triple = read.get(2);
  return triple ? [triple[0]] : [];
};

const picked = ({ attributes }: Node, keys: readonly string[]): Node['attributes'] =>
  new Map([...attributes].filter(([key]) => keys.includes(key)));
