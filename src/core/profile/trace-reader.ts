/** Collects the lines of a profile into times by node and run, without keeping the text. */
import { numberIn, readTraceLine, type TraceEvent, traceValues } from './trace-line.ts';
import type { RuntimeTrace, TraceNode } from './types.ts';

/** Their events span those of the nodes in their bodies, which are written before them. */
const CONTROL_FLOW = new Set(['If', 'Loop', 'Scan', 'SequenceMap']);

type NodeEvent = Extract<TraceEvent, { kind: 'node' }>;

interface Draft {
  readonly event: NodeEvent;
  readonly hostUs: number[];
  readonly ownUs: number[];
  /** Sum of calls over all runs. */
  calls: number;
  gpuUs: number[] | null;
}

interface Execution {
  readonly node: number;
  readonly ts: number;
  readonly durUs: number;
}

export class TraceReader {
  readonly #drafts: Draft[] = [];
  readonly #byKey = new Map<string, number>();
  readonly #runs: { readonly durUs: number; readonly executions: readonly Execution[] }[] = [];
  readonly #programs = new Map<string, number[]>();
  #open: Execution[] = [];
  #unreadable = 0;

  take(line: string): void {
    const event = readTraceLine(line);
    switch (event.kind) {
      case 'node':
        this.#open.push({ node: this.#draftOf(event), ts: event.ts, durUs: event.dur });
        break;
      case 'gpu': {
        const key = gpuKey(event.node, event.opType);
        const list = this.#programs.get(key);
        if (list) list.push(event.dur);
        else this.#programs.set(key, [event.dur]);
        break;
      }
      case 'run':
        this.#runs.push({ durUs: event.dur, executions: this.#open });
        this.#open = [];
        break;
      case 'unreadable':
        this.#unreadable += 1;
        break;
      case 'other':
        break;
    }
  }

  finish(): RuntimeTrace {
    const gpu = this.#gpuTimes();
    for (const [run, { executions }] of this.#runs.entries()) this.#closeRun(run, executions, gpu);
    const runs = this.#runs.length;
    const nodes = this.#drafts.filter(({ calls }) => calls > 0);
    return {
      nodes: nodes.map((draft) => traceNode(draft, runs)),
      runsUs: this.#runs.map(({ durUs }) => durUs),
      unreadableLines: this.#unreadable,
      lostEvents: this.#open.length,
    };
  }

  #draftOf(event: NodeEvent): number {
    const key = `${event.name}\n${event.index}\n${event.opType}\n${event.provider}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    this.#byKey.set(key, this.#drafts.length);
    this.#drafts.push({ event, hostUs: [], ownUs: [], calls: 0, gpuUs: null });
    return this.#drafts.length - 1;
  }

  /**
   * GPU programs carry names only, and come after all runs, in order. A node runs the same programs every time, but for
   * some that run once (weights put into another layout), which go to its first execution.
   * @returns microseconds of each execution, by key, in order
   */
  #gpuTimes(): Map<string, Iterator<number>> {
    const executions = new Map<string, number>();
    for (const run of this.#runs)
      for (const { node } of run.executions) {
        const { event } = this.#drafts[node]!;
        const key = gpuKey(event.name, event.opType);
        if (this.#programs.has(key)) executions.set(key, (executions.get(key) ?? 0) + 1);
      }
    const times = new Map<string, Iterator<number>>();
    for (const [key, count] of executions) {
      const programs = this.#programs.get(key)!;
      const each = Math.floor(programs.length / count);
      const surplus = programs.length - each * count;
      let at = 0;
      times.set(
        key,
        Array.from({ length: count }, (_, index) => {
          const end = at + each + (index === 0 ? surplus : 0);
          let sum = 0;
          for (; at < end; at += 1) sum += programs[at]!;
          return sum;
        }).values(),
      );
    }
    return times;
  }

  #closeRun(run: number, executions: readonly Execution[], gpu: ReadonlyMap<string, Iterator<number>>): void {
    const selfUs = selfTimes(executions, (node) => CONTROL_FLOW.has(this.#drafts[node]!.event.opType));
    // Handed over and not yet waited for.
    let pendingUs = 0;
    for (const [position, { node }] of executions.entries()) {
      const draft = this.#drafts[node]!;
      const { name, opType } = draft.event;
      const hostUs = selfUs[position]!;
      const gpuUs = gpu.get(gpuKey(name, opType))?.next().value;
      draft.calls += 1;
      add(draft.hostUs, run, hostUs);
      if (gpuUs !== undefined) {
        draft.gpuUs ??= [];
        add(draft.gpuUs, run, gpuUs);
        pendingUs += gpuUs;
      }
      const waitsForGpu = opType === 'MemcpyToHost';
      add(draft.ownUs, run, waitsForGpu ? Math.max(0, hostUs - pendingUs) : hostUs);
      if (waitsForGpu) pendingUs = 0;
    }
  }
}

/** @param executions in the order in which they ended */
function selfTimes(executions: readonly Execution[], isControlFlow: (node: number) => boolean): number[] {
  const self: number[] = [];
  const roots: Execution[] = [];
  for (const execution of executions) {
    let innerUs = 0;
    if (isControlFlow(execution.node))
      while (roots.length > 0 && roots.at(-1)!.ts >= execution.ts) innerUs += roots.pop()!.durUs;
    self.push(Math.max(0, execution.durUs - innerUs));
    roots.push(execution);
  }
  return self;
}

const gpuKey = (name: string, opType: string) => `${name}\n${opType}`;

function add(times: number[], run: number, us: number): void {
  while (times.length <= run) times.push(0);
  times[run]! += us;
}

function traceNode({ event, hostUs, ownUs, gpuUs, calls }: Draft, runs: number): TraceNode {
  const { args } = event;
  const padded = (times: readonly number[]) => Array.from({ length: runs }, (_, run) => times[run] ?? 0);
  return {
    name: event.name,
    index: event.index,
    opType: event.opType,
    provider: event.provider,
    inputs: traceValues(args.input_type_shape),
    outputs: traceValues(args.output_type_shape),
    activationBytes: numberIn(args.activation_size),
    parameterBytes: numberIn(args.parameter_size),
    outputBytes: numberIn(args.output_size),
    calls: Math.max(1, Math.round(calls / Math.max(1, runs))),
    hostUs: padded(hostUs),
    gpuUs: gpuUs && padded(gpuUs),
    ownUs: padded(ownUs),
  };
}
