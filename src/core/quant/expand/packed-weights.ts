/**
 * Weights that a model keeps packed while it runs: constants of operators that unpack them in every run. A
 * DequantizeLinear counts where its readers take no other quantized input, since a runtime makes integer kernels of those.
 */
import { intAttr } from '../../ir/attributes.ts';
import { elementCount, tensorByteLength } from '../../ir/tensor.ts';
import type { Model, Node, Tensor } from '../../ir/types.ts';
import { isDefaultDomain, opName } from '../../ir/walk.ts';
import { definingScope, nodesOf, openScopes, type Scope } from '../support/scopes.ts';
import { constantBehind } from './constant-behind.ts';

export type PackedKind = 'MatMulNBits' | 'MatMulBnb4' | 'GatherBlockQuantized' | 'DequantizeLinear';

export interface PackedWeight {
  readonly scope: Scope;
  readonly node: Node;
  /** The graph that holds the codes, which may be an outer one. */
  readonly home: Scope;
  readonly kind: PackedKind;
  /** As the operator reads them; scales of MatMulBnb4 may be computed from constants. */
  readonly codes: Tensor;
  readonly scales: Tensor;
  readonly zeroPoints: Tensor | undefined;
  /** Of the expanded weight; its type is that of the scales. */
  readonly dims: readonly number[];
}

const contribKinds: Readonly<Record<string, PackedKind>> = {
  'com.microsoft.MatMulNBits': 'MatMulNBits',
  'com.microsoft.MatMulBnb4': 'MatMulBnb4',
  'com.microsoft.GatherBlockQuantized': 'GatherBlockQuantized',
};

/** Inputs of codes, scales and zero points. */
const inputsOf: Readonly<Record<PackedKind, readonly [number, number, number | undefined]>> = {
  MatMulNBits: [1, 2, 3],
  MatMulBnb4: [1, 2, undefined],
  GatherBlockQuantized: [0, 2, 3],
  DequantizeLinear: [0, 1, 2],
};

export async function findPackedWeights(scopes: readonly Scope[]): Promise<PackedWeight[]> {
  const found: PackedWeight[] = [];
  for (const { node, scope } of nodesOf(scopes)) {
    const kind = kindOf(scopes, scope, node);
    if (!kind) continue;
    const [codesAt, scalesAt, zeroPointsAt] = inputsOf[kind];
    const constant = (at: number | undefined) =>
      at === undefined || !node.inputs[at] ? undefined : constantBehind(scope, node.inputs[at]);
    const [codes, scales, zeroPoints] = [
      await constant(codesAt),
      await constant(scalesAt),
      await constant(zeroPointsAt),
    ];
    const hasUnknownZeroPoints = zeroPointsAt !== undefined && !!node.inputs[zeroPointsAt] && !zeroPoints;
    const isFloat = scales?.dtype === 'float32' || scales?.dtype === 'float16';
    if (!codes || !scales || !isFloat || hasUnknownZeroPoints) continue;
    const dims = dimsOf(kind, node, codes);
    const home = definingScope(scope, node.inputs[codesAt]!) ?? scope;
    if (dims) found.push({ scope, node, home, kind, codes, scales, zeroPoints, dims });
  }
  return found;
}

function kindOf(scopes: readonly Scope[], scope: Scope, node: Node): PackedKind | undefined {
  if (node.opType === 'DequantizeLinear' && isDefaultDomain(node.domain))
    return isWeightOnly(scopes, scope, node) ? 'DequantizeLinear' : undefined;
  const kind = contribKinds[opName(node)];
  // Reordered inputs are from before the operator was settled.
  return kind === 'MatMulNBits' && node.inputs[4] ? undefined : kind;
}

function dimsOf(kind: PackedKind, node: Node, codes: Tensor): readonly number[] | undefined {
  const [K, N] = [intAttr(node, 'K', 0), intAttr(node, 'N', 0)];
  switch (kind) {
    case 'MatMulNBits':
    case 'MatMulBnb4':
      return K > 0 && N > 0 ? [K, N] : undefined;
    case 'GatherBlockQuantized': {
      const isRows = intAttr(node, 'gather_axis', 0) === 0 && codes.dims.length === 2;
      const quantizeAxis = intAttr(node, 'quantize_axis', 1);
      if (!isRows || (quantizeAxis !== 1 && quantizeAxis !== -1)) return undefined;
      const perByte = codes.dtype === 'uint8' ? 8 / intAttr(node, 'bits', 4) : 1;
      return [codes.dims[0]!, codes.dims[1]! * perByte];
    }
    case 'DequantizeLinear':
      return codes.dims;
  }
}

const LAYERS = new Set(['MatMul', 'Gemm', 'Conv', 'ConvTranspose', 'Gather', 'LSTM', 'GRU', 'RNN']);
const PASSED_ON = new Set(['Transpose', 'Identity', 'Reshape']);

/** A matrix that only layers read which compute in floating point. */
function isWeightOnly(scopes: readonly Scope[], scope: Scope, node: Node): boolean {
  const codes = scope.editor.constantOf(node.inputs[0]!);
  if (!codes || codes.dims.length < 2 || codes.dtype === 'int32') return false;
  return onlyFloatLayersRead(scopes, scope, node.outputs[0]!, 0);
}

function onlyFloatLayersRead(scopes: readonly Scope[], home: Scope, value: string, depth: number): boolean {
  if (home.editor.isGraphOutput(value) || depth > 4) return false;
  const readers = scopes
    .filter((scope) => definingScope(scope, value) === home)
    .flatMap((scope) => scope.editor.consumersOf(value).map((node) => ({ scope, node })))
    // A node whose branch or body reads the value: its own scope is in the list.
    .filter(({ node }) => node.inputs.includes(value));
  if (readers.length === 0) return false;
  return readers.every(({ scope, node }) => {
    if (!isDefaultDomain(node.domain)) return false;
    if (PASSED_ON.has(node.opType)) return onlyFloatLayersRead(scopes, scope, node.outputs[0]!, depth + 1);
    // An activation that was quantized: the pair is for an integer kernel.
    return LAYERS.has(node.opType) && !node.inputs.some((input) => isQuantizedActivation(scope, input));
  });
}

function isQuantizedActivation(scope: Scope, value: string): boolean {
  const home = definingScope(scope, value);
  const producer = home?.editor.producerOf(value);
  return producer?.opType === 'DequantizeLinear' && home!.editor.constantOf(producer.inputs[0]!) === undefined;
}

export interface PackedBytes {
  /** Codes, scales and zero points as stored. */
  readonly storedBytes: number;
  /** The same weights in the type of their scales. */
  readonly expandedBytes: number;
}

/** What expanding the weights would make of their bytes; shared codes count once on either side. */
export async function packedBytes(model: Model): Promise<PackedBytes> {
  const stored = new Set<Tensor>();
  const expanded = new Map<string, number>();
  for (const { kind, home, codes, scales, zeroPoints, dims } of await findPackedWeights(openScopes(model))) {
    for (const tensor of [codes, scales, zeroPoints]) if (tensor) stored.add(tensor);
    expanded.set(`${kind}/${home.index}/${codes.name}`, elementCount(dims) * (scales.dtype === 'float16' ? 2 : 4));
  }
  return {
    storedBytes: [...stored].reduce((sum, tensor) => sum + tensorByteLength(tensor), 0),
    expandedBytes: [...expanded.values()].reduce((sum, bytes) => sum + bytes, 0),
  };
}
