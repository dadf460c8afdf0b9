/**
 * Reads onnxruntime's verbose creation log: where each node was placed, which copies were inserted, which optimizer
 * passes changed the graph. Line formats as of onnxruntime 1.30:
 *
 *   [I:onnxruntime:, graph_transformer.cc:15 Apply] GraphTransformer MatMulAddFusion modified: 1 with status: OK
 *   [V:onnxruntime:, session_state.cc:1377 VerifyEachNodeIsAssignedToAnEp] Node placements
 *   [V:...]  All nodes placed on [CPUExecutionProvider]. Number of nodes: 353
 *   [V:...]  Node(s) placed on [WebGpuExecutionProvider]. Number of nodes: 16
 *   [V:...]   Conv (Conv_m_token_1)
 *   [W:...] webgpu kernel not found in registries for Op type: QuantizeLinear node name: q
 */
import type { OptimizerLog, Placement } from '../core/study/results.ts';
import { rewriteRules } from './ort-optimizers.ts';

const logLine = /\[([VIWEF]):onnxruntime:[^\]]*?(?:, )?(\S+) (\S+)\] (.*)$/;

/** Whether a console line was written by onnxruntime, and how severe it says it is. */
export function severityOf(line: string): 'V' | 'I' | 'W' | 'E' | 'F' | undefined {
  return logLine.exec(line)?.[1] as 'V' | undefined;
}

interface ProviderCount {
  nodes: number;
  opTypes: Record<string, number>;
}

/** @returns null when the log holds no placements (the session was not created verbosely) */
export function parsePlacement(lines: readonly string[]): Placement | null {
  const providers = new Map<string, ProviderCount>();
  const missingKernels = new Set<string>();
  let current: ProviderCount | undefined;
  for (const line of lines) {
    const missing = /kernel not found in registries for Op type: (\S+)/.exec(line);
    if (missing) missingKernels.add(missing[1]!);
    if (!line.includes('VerifyEachNodeIsAssignedToAnEp]')) continue;
    const header = /odes? ?(?:\(s\))? placed on \[(\w+)\]\. Number of nodes: (\d+)/.exec(
      line.replace('Node(s)', 'Nodes'),
    );
    if (header) {
      current = { nodes: Number(header[2]), opTypes: {} };
      providers.set(header[1]!, current);
      continue;
    }
    const node = /\]\s+(\S+) \(.*\)\s*$/.exec(line);
    if (node && current) current.opTypes[node[1]!] = (current.opTypes[node[1]!] ?? 0) + 1;
  }
  if (providers.size === 0) return null;
  return {
    providers: [...providers].map(([provider, count]) => ({ provider, ...count })),
    copies: copiesIn(providers.values()),
    missingKernels: [...missingKernels],
  };
}

function copiesIn(counts: Iterable<ProviderCount>): number {
  let copies = 0;
  for (const { opTypes } of counts) {
    for (const [opType, count] of Object.entries(opTypes)) if (opType.startsWith('Memcpy')) copies += count;
  }
  return copies;
}

/**
 * @param disabled names that the session was asked to switch off
 * @param live transformer names of a session in which nothing was switched off; the log of a session cannot show the
 * passes that were switched off in it, so names of `disabled` are checked against these
 */
export function parseOptimizers(
  lines: readonly string[],
  disabled: readonly string[],
  live: readonly string[],
): OptimizerLog {
  const fired: string[] = [];
  for (const { name, modified } of transformersIn(lines)) if (modified && !fired.includes(name)) fired.push(name);
  const known = [...new Set([...live, ...liveNamesIn(lines), ...rewriteRules])];
  return { fired, known, unknownDisabled: disabled.filter((name) => !known.includes(name)) };
}

/** Names of the graph transformers that ran, in the order in which they first ran. */
export function liveNamesIn(lines: readonly string[]): string[] {
  return [...new Set([...transformersIn(lines)].map(({ name }) => name))];
}

function* transformersIn(lines: readonly string[]): Iterable<{ name: string; modified: boolean }> {
  for (const line of lines) {
    const match = /GraphTransformer (\S+) modified: ([01])/.exec(line);
    if (match) yield { name: match[1]!, modified: match[2] === '1' };
  }
}
