import type { DType } from '../ir/dtype.ts';
import type { Dim, Model, ValueInfo } from '../ir/types.ts';
import { forEachNode } from '../ir/walk.ts';
import { type FreeDim, freeDims } from '../shape/free-dims.ts';
import { inferShapes } from '../shape/infer.ts';
import type { ShapeNote, ShapeTable } from '../shape/types.ts';
import { type ArchitectureHint, architectureOf } from './architecture.ts';
import { modelCost } from './cost.ts';
import { type OpCount, opHistogram } from './histogram.ts';
import { memoryPlan } from './liveness.ts';
import { type Portability, portabilityOf } from './portability.ts';
import { type QuantizationHint, quantizationOf } from './quantization-hint.ts';
import { type ModelWarning, modelWarnings } from './warnings.ts';
import { type WeightSummary, weightSummary } from './weights.ts';

export interface CardValue {
  readonly name: string;
  readonly dtype?: DType;
  /** Missing while the rank is unknown, and for sequences and maps. */
  readonly shape?: readonly Dim[];
  readonly kind: 'tensor' | 'sequence' | 'optional' | 'other';
}

/** Everything that can be said about a model without running it. Plain JSON. */
export interface ModelCard {
  readonly name: string;
  readonly description: string;
  readonly producer: string;
  readonly irVersion: number;
  /** Domain to version; 'ai.onnx' is the default domain. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly inputs: readonly CardValue[];
  readonly outputs: readonly CardValue[];
  readonly freeDims: readonly FreeDim[];
  readonly nodes: { readonly main: number; readonly all: number };
  readonly functions: readonly string[];
  readonly ops: readonly OpCount[];
  readonly weights: WeightSummary;
  readonly architecture: ArchitectureHint;
  readonly quantization: QuantizationHint;
  readonly portability: Portability;
  /** For the given overrides; missing while a free dimension has no value. */
  readonly cost?: {
    readonly macs: number;
    readonly flops: number;
    readonly unknownNodes: number;
  };
  /** Predicted; missing while a free dimension has no value. */
  readonly activations?: {
    readonly peakBytes: number;
    readonly peakNode: string;
    readonly peakValues: readonly { readonly value: string; readonly bytes: number }[];
    readonly unknownValues: number;
  };
  /** What will keep it from running. */
  readonly warnings: readonly ModelWarning[];
  /** What the file declares and its operators contradict. */
  readonly notes: readonly ShapeNote[];
}

export interface DescribeOptions {
  readonly overrides?: Readonly<Record<string, number>>;
  /** Where the caller has inferred shapes already, with the same overrides. */
  readonly shapes?: ShapeTable;
}

const shownNotes = 50;
const shownPeakValues = 10;

export function describeModel(model: Model, options: DescribeOptions = {}): ModelCard {
  const overrides = options.overrides ?? {};
  const shapes = options.shapes ?? inferShapes(model, { overrides });
  const free = freeDims(model);
  const isConcrete = free.every(({ symbol }) => overrides[symbol] !== undefined);
  let all = 0;
  forEachNode(model, () => {
    all += 1;
  });
  const shadowed = model.graph.initializers;
  return {
    name: model.graph.name,
    description: model.docString || (model.graph.docString ?? ''),
    producer: [model.producerName, model.producerVersion].filter((text) => text !== '').join(' '),
    irVersion: model.irVersion,
    opsets: Object.fromEntries([...model.opsetImports].map(([domain, version]) => [domain || 'ai.onnx', version])),
    metadata: Object.fromEntries(model.metadataProps),
    inputs: model.graph.inputs.filter(({ name }) => !shadowed.has(name)).map((value) => cardValue(value, shapes)),
    outputs: model.graph.outputs.map((value) => cardValue(value, shapes)),
    freeDims: free,
    nodes: { main: model.graph.nodes.length, all },
    functions: model.functions.map(({ domain, name }) => (domain ? `${domain}.${name}` : name)),
    ops: opHistogram(model),
    weights: weightSummary(model),
    architecture: architectureOf(model),
    quantization: quantizationOf(model),
    portability: portabilityOf(model, shapes),
    ...(isConcrete && predictions(model, shapes)),
    warnings: modelWarnings(model, shapes),
    notes: shapes.notes.slice(0, shownNotes),
  };
}

function predictions(model: Model, shapes: ShapeTable): Pick<ModelCard, 'cost' | 'activations'> {
  const { macs, flops, unknownNodes } = modelCost(model, shapes).total;
  const { peakBytes, peakNode, peakValues, unknownValues } = memoryPlan(model, shapes);
  const node = model.graph.nodes[peakNode];
  return {
    cost: { macs, flops, unknownNodes },
    activations: {
      peakBytes,
      peakNode: node ? node.name || (node.outputs[0] ?? '') : '',
      peakValues: peakValues.slice(0, shownPeakValues),
      unknownValues,
    },
  };
}

/** What the file declares, completed by what inference knows. */
function cardValue({ name, type }: ValueInfo, shapes: ShapeTable): CardValue {
  const facts = shapes.get(name);
  const kind = facts?.container ?? 'tensor';
  const declared = type?.kind === 'tensor' ? type : undefined;
  const dtype = facts?.dtype ?? (declared?.dtype === 'undefined' ? undefined : declared?.dtype);
  const shape = facts?.shape ?? declared?.shape;
  return { name, kind, ...(dtype && { dtype }), ...(shape && { shape }) };
}
