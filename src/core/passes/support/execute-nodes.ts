/** Running constant nodes in the runtime: many at once, and smaller groups where one of them fails. */
import { throwIfCancelled } from '../../base/cancel.ts';
import { StudioError } from '../../base/errors/index.ts';
import { makeGraph } from '../../ir/build.ts';
import { cloneNode } from '../../ir/clone.ts';
import { tensorByteLength } from '../../ir/tensor.ts';
import type { Model, Node, Tensor } from '../../ir/types.ts';
import { modelToBytes } from '../../onnx/write.ts';
import type { Executor, HostTensor, StepContext } from '../../step/define.ts';
import { keepTensor } from './keep.ts';

/** A node whose inputs are constants, or outputs of jobs before it. Value names are unique among all jobs. */
export interface NodeJob {
  readonly node: Node;
  /** Constants among its inputs, by value name. */
  readonly constants: ReadonlyMap<string, Tensor>;
}

/** One protobuf file holds 2 GB; groups stay far below, which also bounds the memory. */
const MAX_GROUP_BYTES = 128 * 1024 * 1024;
/** A runtime that refuses this many nodes is not asked about the rest. */
const MAX_FAILURES = 24;

/**
 * Runs the jobs in order.
 * @param wanted values to return
 * @returns tensors by value name; values of nodes that the runtime could not run are missing
 */
export async function executeNodes(
  ctx: StepContext,
  executor: Executor,
  jobs: readonly NodeJob[],
  wanted: ReadonlySet<string>,
): Promise<Map<string, Tensor>> {
  const execution = new Execution(ctx, executor, wanted, jobs);
  for (const group of groupsOf(jobs)) await execution.run(group);
  return execution.results;
}

function groupsOf(jobs: readonly NodeJob[]): NodeJob[][] {
  const groups: NodeJob[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const job of jobs) {
    const own = [...job.constants.values()].reduce((total, tensor) => total + tensorByteLength(tensor), 0);
    if (bytes + own > MAX_GROUP_BYTES) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(job);
    bytes += own;
  }
  return groups;
}

class Execution {
  readonly results = new Map<string, Tensor>();
  readonly #ctx: StepContext;
  readonly #executor: Executor;
  readonly #wanted: ReadonlySet<string>;
  /** Value to the jobs that read it. */
  readonly #readers = new Map<string, NodeJob[]>();
  #failures = 0;

  constructor(ctx: StepContext, executor: Executor, wanted: ReadonlySet<string>, jobs: readonly NodeJob[]) {
    this.#ctx = ctx;
    this.#executor = executor;
    this.#wanted = wanted;
    for (const job of jobs) {
      for (const value of job.node.inputs) {
        const readers = this.#readers.get(value);
        if (readers) readers.push(job);
        else this.#readers.set(value, [job]);
      }
    }
  }

  async run(jobs: readonly NodeJob[]): Promise<void> {
    throwIfCancelled(this.#ctx.signal);
    const ready = this.#runnable(jobs);
    if (ready.length === 0 || this.#failures >= MAX_FAILURES) return;
    try {
      await this.#runGroup(ready);
    } catch (error) {
      if (error instanceof StudioError && error.code === 'job/cancelled') throw error;
      if (ready.length === 1) {
        this.#failures += 1;
        return;
      }
      const half = Math.ceil(ready.length / 2);
      await this.run(ready.slice(0, half));
      await this.run(ready.slice(half));
    }
  }

  /** Leaves out jobs that read what a failed job should have made. */
  #runnable(jobs: readonly NodeJob[]): NodeJob[] {
    const made = new Set<string>();
    return jobs.filter(({ node, constants }) => {
      const isKnown = (value: string) =>
        value === '' || constants.has(value) || this.results.has(value) || made.has(value);
      const ready = node.inputs.every(isKnown);
      if (ready) for (const output of node.outputs) made.add(output);
      return ready;
    });
  }

  /** Fetches what the caller wants and what jobs outside the group will read. */
  async #runGroup(jobs: readonly NodeJob[]): Promise<void> {
    const group = new Set(jobs);
    const isNeeded = (value: string) =>
      value !== '' && (this.#wanted.has(value) || this.#readers.get(value)?.some((job) => !group.has(job)));
    const outputs = jobs.flatMap(({ node }) => node.outputs.filter(isNeeded));
    if (outputs.length === 0) return;
    const bytes = await modelToBytes(this.#modelOf(jobs, outputs));
    const answers = await this.#executor.run(bytes, new Map());
    for (const value of outputs) {
      const answer = answers.get(value);
      if (answer) this.results.set(value, await toTensor(this.#ctx, value, answer));
    }
  }

  #modelOf(jobs: readonly NodeJob[], outputs: readonly string[]): Model {
    const initializers = new Map<string, Tensor>();
    for (const { node, constants } of jobs) {
      for (const value of node.inputs) {
        const tensor = constants.get(value) ?? this.results.get(value);
        if (tensor) initializers.set(value, { ...tensor, name: value });
      }
    }
    const { model } = this.#ctx;
    return {
      ...model,
      irVersion: Math.max(model.irVersion, 4),
      metadataProps: new Map(),
      functions: [],
      trainingInfo: [],
      graph: makeGraph({
        name: 'constants',
        nodes: jobs.map(({ node }) => cloneNode(node)),
        outputs: outputs.map((name) => ({ name })),
        initializers: [...initializers.values()],
      }),
    };
  }
}

async function toTensor(ctx: StepContext, name: string, answer: HostTensor): Promise<Tensor> {
  const { dtype, dims, data, strings } = answer;
  if (dtype !== 'string') return keepTensor(ctx, name, dtype, dims, data);
  const encoder = new TextEncoder();
  return {
    name,
    dtype,
    dims: [...dims],
    data: { kind: 'strings', values: (strings ?? []).map((s) => encoder.encode(s)) },
  };
}
