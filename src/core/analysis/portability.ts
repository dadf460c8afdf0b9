/** Which nodes of a model will not run, run elsewhere, or give wrong results, per execution provider. */
import { intAttr } from '../ir/attributes.ts';
import type { Model, Node } from '../ir/types.ts';
import { forEachNode, isDefaultDomain, opName } from '../ir/walk.ts';
import type { ShapeTable } from '../shape/types.ts';
import {
  cpuMissing,
  type Evidence,
  type Provider,
  providers,
  webgpuContribKernels,
  webgpuContribOnCpu,
  webgpuFloat64OnCpu,
  webgpuKernels,
  webgpuLastOpset,
  webgpuOnCpu,
  webnnKernels,
} from './kernel-support.ts';

export type Verdict =
  /** No session can be made. */
  | 'no-kernel'
  /** Runs, but on the CPU inside the session, with copies around it. */
  | 'falls-back'
  /** Runs without an error and computes something else. */
  | 'wrong-result'
  /** Runs only where the device has a feature. */
  | 'needs-feature'
  /** Runs, but not in the precision that the file asks for. */
  | 'other-precision'
  /** Nobody has measured it. */
  | 'unknown';

export interface PortabilityIssue {
  readonly op: string;
  /** Nodes that it concerns, subgraphs and functions included. */
  readonly count: number;
  readonly verdict: Verdict;
  readonly reason: string;
  readonly evidence: Evidence | 'definition';
}

export type Portability = Readonly<Record<Provider, readonly PortabilityIssue[]>>;

type Finding = Omit<PortabilityIssue, 'count' | 'op'>;

interface View {
  readonly node: Node;
  readonly op: string;
  readonly opset: number;
  readonly isDefault: boolean;
  dtypeOf(input: number): string | undefined;
}

/** Constants and what onnxruntime folds away before nodes are placed. */
const neverPlaced: ReadonlySet<string> = new Set(['Constant', 'Identity', 'Dropout']);

/** @param shapes for the dtypes of values; rules that need them are silent where a dtype is not known */
export function portabilityOf(model: Model, shapes: ShapeTable): Portability {
  const found = new Map<string, PortabilityIssue & { provider: Provider }>();
  const functions = new Set(model.functions.map(({ domain, name }) => `${domain}\n${name}`));
  forEachNode(model, (node, { functionDef }) => {
    if (functions.has(`${node.domain}\n${node.opType}`)) return;
    const domain = isDefaultDomain(node.domain) ? '' : node.domain;
    const view: View = {
      node,
      op: opName(node),
      opset: (functionDef?.opsetImports ?? model.opsetImports).get(domain) ?? 1,
      isDefault: domain === '',
      dtypeOf: (input) => shapes.get(node.inputs[input] ?? '')?.dtype,
    };
    for (const provider of providers)
      for (const finding of findingsOf(provider, view)) {
        const key = `${provider}\n${view.op}\n${finding.reason}`;
        const seen = found.get(key);
        found.set(key, { ...finding, op: view.op, provider, count: (seen?.count ?? 0) + 1 });
      }
  });
  const byProvider = Object.fromEntries(providers.map((name): [Provider, PortabilityIssue[]] => [name, []]));
  for (const { provider, ...issue } of found.values()) byProvider[provider]!.push(issue);
  const order: readonly Verdict[] = [
    'no-kernel',
    'wrong-result',
    'needs-feature',
    'falls-back',
    'other-precision',
    'unknown',
  ];
  for (const issues of Object.values(byProvider))
    issues.sort((a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict) || b.count - a.count);
  return byProvider as Record<Provider, PortabilityIssue[]>;
}

function findingsOf(provider: Provider, view: View): Finding[] {
  const everywhere = [...customOperator(view), ...impossible(view)];
  if (everywhere.length > 0) return everywhere;
  switch (provider) {
    case 'cpu':
      return cpuFindings(view);
    case 'wasm':
      return [...cpuFindings(view), ...wasmPrecision(view)];
    case 'webgpu':
      return webgpuFindings(view);
    case 'webnn':
      return webnnFindings(view);
  }
}

const knownDomains: ReadonlySet<string> = new Set([
  ...['com.microsoft', 'com.microsoft.nchwc', 'com.ms.internal.nhwc', 'ai.onnx.ml', 'ai.onnx.training'],
  ...['ai.onnx.preview.training', 'ai.onnx.preview'],
]);

function customOperator({ node, isDefault }: View): Finding[] {
  if (isDefault || knownDomains.has(node.domain)) return [];
  const reason = `a custom operator of domain "${node.domain}": onnxruntime-web cannot load operator libraries`;
  return [{ verdict: 'no-kernel', reason, evidence: 'definition' }];
}

function impossible({ node, op }: View): Finding[] {
  if (op !== 'com.microsoft.MatMulNBits') return [];
  const bits = intAttr(node, 'bits', 4);
  if ([2, 4, 8].includes(bits)) return [];
  return [
    {
      verdict: 'no-kernel',
      reason: `MatMulNBits has no ${bits}-bit kernel, only 2, 4 and 8`,
      evidence: 'measured-web',
    },
  ];
}

function cpuFindings({ op, opset }: View): Finding[] {
  const missing = cpuMissing.get(op);
  if (!missing || opset < missing.fromOpset) return [];
  return [{ verdict: 'no-kernel', reason: 'no CPU kernel', evidence: missing.evidence }];
}

function wasmPrecision({ node, dtypeOf }: View): Finding[] {
  if (node.opType === 'Cast' || dtypeOf(0) !== 'float16') return [];
  const reason = 'float16 is computed in float32 between inserted Casts';
  return [{ verdict: 'other-precision', reason, evidence: 'measured-web' }];
}

function webgpuFindings(view: View): Finding[] {
  const { node, op, opset, isDefault, dtypeOf } = view;
  if (neverPlaced.has(op)) return [];
  if (dtypeOf(0) === 'float64' || dtypeOf(1) === 'float64') return [webgpuFloat64(op)];
  const found = [...webgpuDefects(view)];
  if (dtypeOf(0) === 'float16') {
    const reason = 'float16 needs the device feature shader-f16; without it the first run fails';
    found.push({ verdict: 'needs-feature', reason, evidence: 'measured-web' });
  }
  const isKnown = isDefault
    ? webgpuKernels.has(op)
    : node.domain === 'com.microsoft' && webgpuContribKernels.has(node.opType);
  const isOnCpu = isDefault ? webgpuOnCpu.has(op) : webgpuContribOnCpu.has(node.opType);
  const last = isDefault ? webgpuLastOpset.get(op) : undefined;
  const evidence = isDefault ? 'measured-node-webgpu' : 'measured-web';
  if (isKnown && last !== undefined && opset > last)
    found.push({ verdict: 'falls-back', reason: `the WebGPU kernel ends at opset ${last}`, evidence });
  else if (isOnCpu) found.push({ verdict: 'falls-back', reason: 'no WebGPU kernel', evidence });
  else if (!isKnown) found.push({ verdict: 'unknown', reason: 'not measured on WebGPU', evidence });
  return found;
}

/** WebGPU has no float64, and where the provider knows the operator for other types no session comes about at all. */
function webgpuFloat64(op: string): Finding {
  const evidence = 'measured-web';
  if (webgpuFloat64OnCpu.has(op))
    return { verdict: 'falls-back', reason: 'float64 runs on the CPU, as WebGPU has none', evidence };
  const reason = 'WebGPU has no float64: no session can be made; export the model as float32';
  return { verdict: 'no-kernel', reason, evidence };
}

function* webgpuDefects({ node, op, dtypeOf }: View): Generator<Finding> {
  const evidence = 'measured-web';
  if (op === 'com.microsoft.FusedConv' && node.inputs[3])
    yield { verdict: 'wrong-result', reason: 'the residual input Z of FusedConv is ignored', evidence };
  if (op === 'com.microsoft.GatherBlockQuantized')
    yield { verdict: 'needs-feature', reason: 'the WebGPU build has no CPU kernel to fall back to', evidence };
  if (op === 'com.microsoft.MatMulNBits' && node.inputs[3] && (dtypeOf(3) ?? 'uint8') !== 'uint8')
    yield { verdict: 'no-kernel', reason: 'zero points of MatMulNBits must be uint8', evidence: 'source' };
  if (op === 'com.microsoft.MatMulNBits' && node.inputs[4])
    yield { verdict: 'no-kernel', reason: 'MatMulNBits takes no g_idx', evidence: 'source' };
  if (op === 'DequantizeLinear' && (dtypeOf(0) === 'uint16' || dtypeOf(0) === 'int16'))
    yield { verdict: 'falls-back', reason: '16-bit DequantizeLinear runs on the CPU', evidence };
}

function webnnFindings({ node, op, isDefault }: View): Finding[] {
  if (neverPlaced.has(op) || (isDefault && webnnKernels.has(node.opType))) return [];
  const reason = "not in onnxruntime's WebNN table (of an older version; not measured)";
  return [{ verdict: 'falls-back', reason, evidence: 'documented' }];
}
