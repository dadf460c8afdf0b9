/**
 * Nodes that float16 is likely to spoil, found by running the model: values so large that sums of a few of them overflow,
 * and sums over so many terms that rounding adds up. The criteria are those of NVIDIA's AutoCast (Model Optimizer,
 * onnx/autocast: `data_max` 512, `init_max` 65504, `max_depth_of_reduction`).
 */
import { StudioError } from '../../base/errors/index.ts';
import { collectActivations } from '../../calib/collect-activations.ts';
import { intAttr } from '../../ir/attributes.ts';
import type { Node } from '../../ir/types.ts';
import { implicitInputsOf, isDefaultDomain } from '../../ir/walk.ts';
import type { ShapeTable } from '../../shape/types.ts';
import type { StepContext } from '../../step/define.ts';
import { adviseCalibrated, calibrationOf } from './calibration.ts';
import { nodeLabel } from './patterns.ts';
import { definingScope, nodesOf, type Scope } from './scopes.ts';

/**
 * The largest finite magnitude of each float32 value of the main graph, over the calibration inputs. Infinities are left
 * out: float16 has them too, and masks are made of them.
 * @throws StudioError calib/no-data, calib/not-finite (NaN in an input), pass/refused, calib/*, task/shape-mismatch,
 *   job/cancelled, runtime/*
 */
export async function measureMagnitudes(
  ctx: StepContext,
  main: Scope,
  { step, samples }: { readonly step: string; readonly samples: number },
): Promise<{ readonly largest: ReadonlyMap<string, number>; readonly samples: number }> {
  const { source, executor } = calibrationOf(ctx, step);
  const { model } = ctx;
  const largest = new Map<string, number>();
  const seen = new Map<string, number>();
  const observe = (tensor: string, values: Float32Array) => {
    const sample = (seen.get(tensor) ?? 0) + 1;
    seen.set(tensor, sample);
    const { magnitude, hasNaN } = largestFinite(values);
    if (hasNaN && main.editor.isGraphInput(tensor)) throw new StudioError('calib/not-finite', { tensor, sample });
    largest.set(tensor, Math.max(largest.get(tensor) ?? 0, magnitude));
  };
  const tensors = measurableValues(main, await ctx.shapes());
  const count = await collectActivations({ model, executor, source, tensors, observe, job: ctx, maxSamples: samples });
  return { largest, samples: count };
}

function measurableValues({ editor, graph }: Scope, shapes: ShapeTable): string[] {
  const given = graph.inputs.map(({ name }) => name).filter((name) => !graph.initializers.has(name));
  const made = editor.nodes().flatMap(({ outputs }) => outputs.filter((name) => name !== ''));
  return [...given, ...made].filter((name) => !editor.constantOf(name) && shapes.get(name)?.dtype === 'float32');
}

function largestFinite(values: Float32Array): { magnitude: number; hasNaN: boolean } {
  let magnitude = 0;
  let hasNaN = false;
  for (let i = 0; i < values.length; i += 1) {
    const value = Math.abs(values[i]!);
    if (value > magnitude && value !== Number.POSITIVE_INFINITY) magnitude = value;
    hasNaN ||= Number.isNaN(value);
  }
  return { magnitude, hasNaN };
}

export interface HalfLimits {
  readonly exclusions: 'none' | 'calibrated';
  /** With `calibrated`: nodes that read or make larger values stay in float32. */
  readonly largestValue: number;
  /** Nodes that sum more terms stay in float32; 0: no limit. */
  readonly maxReductionDepth: number;
  readonly samples: number;
}

/**
 * Why nodes should stay in float32 by these limits. Measures only when it is asked to.
 * @returns a reason for each such node
 * @throws StudioError as `measureMagnitudes`
 */
export async function reasonsByLimits(
  ctx: StepContext,
  scopes: readonly Scope[],
  step: string,
  limits: HalfLimits,
): Promise<Map<Node, string>> {
  const reasons = new Map<Node, string>();
  if (limits.maxReductionDepth > 0) await noteDeepReductions(ctx, scopes, limits.maxReductionDepth, reasons);
  if (limits.exclusions === 'none') return reasons;
  const main = scopes[0]!;
  const { largest, samples } = await measureMagnitudes(ctx, main, { step, samples: limits.samples });
  const beyond = nodesBeyond(main, largest, limits.largestValue);
  for (const { node } of beyond) reasons.set(node, `its values pass ${limits.largestValue} in the calibration inputs`);
  ctx.leave({
    calibrationSamples: samples,
    beyondLimit: beyond.map(({ node, value, largest: most }) => ({ node: nodeLabel(node), value, largest: most })),
  });
  adviseCalibrated(ctx, ctx.calibration!.origin, samples);
  if (scopes.length > 1)
    ctx.advise({
      level: 'info',
      code: 'quant/subgraphs-not-measured',
      message:
        'Values inside the bodies of If, Loop and Scan were not measured: nodes there stay in float32 only where what the body reads from outside, or the result, is too large.',
    });
  return reasons;
}

async function noteDeepReductions(
  ctx: StepContext,
  scopes: readonly Scope[],
  limit: number,
  reasons: Map<Node, string>,
): Promise<void> {
  const shapes = await ctx.shapes();
  for (const { node, scope } of nodesOf(scopes)) {
    const table = scope.outer ? shapes.scope(scope.graph) : shapes;
    const depth = reductionDepth(node, (value) => {
      const dims = definingScope(scope, value)?.editor.constantOf(value)?.dims ?? table?.get(value)?.shape;
      return dims?.every((dim) => typeof dim === 'number') ? (dims as readonly number[]) : undefined;
    });
    if (depth !== undefined && depth > limit) reasons.set(node, `it sums more than ${limit} terms`);
  }
}

export interface LargeNode {
  readonly node: Node;
  /** The value that passed the limit, and its largest magnitude. */
  readonly value: string;
  readonly largest: number;
}

/** Nodes of the main graph that read or make a value beyond the limit; what their subgraphs capture counts as read. */
export function nodesBeyond(main: Scope, largest: ReadonlyMap<string, number>, limit: number): LargeNode[] {
  return main.editor.nodes().flatMap((node): LargeNode[] => {
    const touched = [...node.inputs, ...implicitInputsOf(node), ...node.outputs];
    let worst: LargeNode | undefined;
    for (const value of touched) {
      const magnitude = largest.get(value) ?? 0;
      if (magnitude > limit && magnitude > (worst?.largest ?? 0)) worst = { node, value, largest: magnitude };
    }
    return worst ? [worst] : [];
  });
}

/** How many terms each element of a node's output sums; undefined where it sums none or the sizes are unknown. */
export function reductionDepth(
  node: Node,
  sizesOf: (value: string) => readonly number[] | undefined,
): number | undefined {
  if (!isDefaultDomain(node.domain)) return undefined;
  const [first, second] = node.inputs.map((value) => (value === '' ? undefined : sizesOf(value)));
  switch (node.opType) {
    case 'MatMul':
      return first?.at(-1) ?? second?.at(-2);
    case 'Gemm':
      return first?.[intAttr(node, 'transA', 0) === 0 ? 1 : 0] ?? second?.[intAttr(node, 'transB', 0) === 0 ? 0 : 1];
    case 'Conv':
      return second && product(second.slice(1));
    case 'ConvTranspose':
      // [C, M/group, kernel..]: each output sums C/group channels over the kernel.
      return second && (second[0]! / intAttr(node, 'group', 1)) * product(second.slice(2));
    case 'GlobalAveragePool':
      return first && product(first.slice(2));
    case 'ReduceL1':
    case 'ReduceL2':
    case 'ReduceLogSum':
    case 'ReduceLogSumExp':
    case 'ReduceMean':
    case 'ReduceSum':
    case 'ReduceSumSquare': {
      const output = sizesOf(node.outputs[0] ?? '');
      return first && output && product(first) / Math.max(1, product(output));
    }
    default:
      return undefined;
  }
}

const product = (sizes: readonly number[]): number => sizes.reduce((total, size) => total * size, 1);
