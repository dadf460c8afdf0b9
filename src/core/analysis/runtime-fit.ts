/** Which runtimes and hardware can run a model, at what cost, and what ties it to one of them. */
import type { Model } from '../ir/types.ts';
import type { ShapeTable } from '../shape/types.ts';
import type { Provider } from './kernel-support.ts';
import { type PortabilityIssue, portabilityOf, type Verdict } from './portability.ts';
import { type RuntimeParts, runtimeParts } from './runtime-parts.ts';
import { vendorRuntimes } from './vendor-rules.ts';

export type RuntimeLevel = 'runs' | 'partly' | 'does-not-run';

export interface RuntimeFit {
  readonly runtime: string;
  readonly title: string;
  readonly hardware: string;
  readonly level: RuntimeLevel;
  /** measured: operator by operator, on the runtime itself. documented: read, never run here. */
  readonly evidence: 'measured' | 'documented';
  readonly reasons: readonly string[];
  readonly cost: string;
}

export interface RuntimeFits {
  readonly fits: readonly RuntimeFit[];
  /** What ties the file to some runtimes, one sentence each. */
  readonly lockIns: readonly string[];
}

const own: readonly {
  readonly runtime: Provider;
  readonly title: string;
  readonly hardware: string;
  readonly cost: string;
}[] = [
  { runtime: 'cpu', title: 'onnxruntime, CPU', hardware: 'any CPU', cost: 'none: the file runs as it is' },
  {
    runtime: 'wasm',
    title: 'onnxruntime-web, WASM',
    hardware: 'any browser',
    cost: '14 MB of WASM, 3.7 MB compressed',
  },
  {
    runtime: 'webgpu',
    title: 'onnxruntime-web, WebGPU',
    hardware: 'browsers with WebGPU',
    cost: '27 MB of WASM, 6.6 MB compressed; shaders compile in the first run',
  },
  {
    runtime: 'webnn',
    title: 'onnxruntime-web, WebNN',
    hardware: 'browsers with WebNN behind a flag',
    cost: 'compiles at load',
  },
];

const severity: Readonly<Record<Verdict, RuntimeLevel>> = {
  'no-kernel': 'does-not-run',
  'wrong-result': 'does-not-run',
  'needs-feature': 'partly',
  'falls-back': 'partly',
  'other-precision': 'partly',
  unknown: 'partly',
};

const SHOWN_REASONS = 6;

/** @param shapes inferred for this model: rules that need a dtype are silent where it is not known */
export function runtimeFits(model: Model, shapes: ShapeTable): RuntimeFits {
  const portability = portabilityOf(model, shapes);
  const parts = runtimeParts(model, shapes);
  const fits: RuntimeFit[] = own.map((entry) => {
    const issues = portability[entry.runtime];
    const reasons = issues.map(({ op, count, reason }) => `${op}${count > 1 ? ` × ${count}` : ''}: ${reason}`);
    const evidence = entry.runtime === 'webnn' ? 'documented' : 'measured';
    return { ...entry, level: worst(issues), evidence, reasons: shortened(reasons) };
  });
  for (const { findings, id, title, hardware, cost } of vendorRuntimes) {
    const found = findings(parts);
    const level = found.some((finding) => finding.level === 'does-not-run')
      ? 'does-not-run'
      : found.length > 0
        ? 'partly'
        : 'runs';
    const reasons = shortened(found.map(({ reason }) => reason));
    fits.push({ runtime: id, title, hardware, level, evidence: 'documented', reasons, cost });
  }
  return { fits, lockIns: lockIns(parts) };
}

function worst(issues: readonly PortabilityIssue[]): RuntimeLevel {
  if (issues.some(({ verdict }) => severity[verdict] === 'does-not-run')) return 'does-not-run';
  return issues.length > 0 ? 'partly' : 'runs';
}

function shortened(reasons: readonly string[]): string[] {
  if (reasons.length <= SHOWN_REASONS) return [...reasons];
  return [...reasons.slice(0, SHOWN_REASONS), `and ${reasons.length - SHOWN_REASONS} more`];
}

function lockIns({ contrib, qoperator, quantizedActivations, float8 }: RuntimeParts): string[] {
  const found: string[] = [];
  if (contrib.length > 0)
    found.push(
      `${contrib.join(', ')}: operators of onnxruntime, not of the ONNX standard. The portable form of the same step uses standard ones.`,
    );
  if (qoperator)
    found.push('QLinear operators (QOperator form): compilers for accelerators read the QDQ form instead.');
  if (quantizedActivations.includes('uint8'))
    found.push(
      'uint8 activations with zero points: right for CPUs and NPUs, not for TensorRT, which wants int8 with zero point 0.',
    );
  if (float8.length > 0) found.push('FP8: NVIDIA GPUs from Ada on have the arithmetic; elsewhere it is storage only.');
  return found;
}
