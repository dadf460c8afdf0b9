/**
 * Runs a model in parts over calibration inputs. Between two parts the values that later nodes need are kept for every
 * sample, and nothing else: memory holds one cut through the model and one part of its weights, however deep it is.
 *
 * To read, several wanted values share a part. To edit, the walk stops wherever a wanted value has just been made: the
 * visitor sees it for every sample and may then change the nodes that read it (replace a weight by its quantized form),
 * or those that made it (fold a scale into the norm before it: the part is then run again). What comes after is computed
 * with the changed nodes, so later stops see the network as it will be: the sequential scheme of GPTQ (Frantar et al.
 * 2023, section 3.3), in which no node runs twice.
 *
 *   samples -> [part] -> values of the cut, of each sample -> observe -> leave (edit) -> [next part] -> ...
 *
 * Only values of the main graph can be wanted; nodes with subgraphs (If, Loop, Scan) run as a whole.
 */
import { throwIfCancelled } from '../base/cancel.ts';
import { StudioError } from '../base/errors/index.ts';
import { elementCount, floatsOf } from '../ir/tensor.ts';
import { inferShapes } from '../shape/infer.ts';
import type { ShapeTable } from '../shape/types.ts';
import type { HostTensor } from '../step/define.ts';
import { checkFeeds, firstOf } from './collect-activations.ts';
import { openPart, partModel } from './part-model.ts';
import { type PartPlan, signatureOf, WalkGraph } from './walk-plan.ts';
import { WalkState } from './walk-state.ts';
import { defaultWalkLimits, type WalkLimits, type WalkOutcome, type WalkRequest, type WalkStop } from './walk-types.ts';

export type { LayerVisitor, WalkedValue, WalkOutcome, WalkRequest, WalkStop } from './walk-types.ts';

type Feeds = ReadonlyMap<string, HostTensor>;

/** For a value whose shape inference cannot tell. */
const ASSUMED_BYTES = 4 << 20;

/**
 * @throws StudioError calib/too-few-samples, calib/missing-value, calib/model-too-large, task/shape-mismatch,
 *   job/cancelled, runtime/*, storage/full, whatever the visitor throws
 */
export async function walkLayers(request: WalkRequest): Promise<WalkOutcome> {
  const first = await firstOf(request.source);
  checkFeeds(request.model, first);
  return new Walk(request, first).run();
}

/** Where the samples of a part come from: the source itself at first, then what the part before left. */
type Incoming = WalkState | undefined;

interface PartRun {
  readonly plan: PartPlan;
  /** Wanted values that come out of it. */
  readonly seen: readonly string[];
  /** What is kept after it. */
  readonly kept: ReadonlySet<string>;
}

class Walk {
  readonly #request: WalkRequest;
  readonly #limits: WalkLimits;
  readonly #fed: ReadonlySet<string>;
  readonly #remaining: Set<string>;
  readonly #total: number;
  readonly #shapes: ShapeTable;
  #graph: WalkGraph;
  /** Values that need not be computed any more. */
  #there: ReadonlySet<string>;
  #incoming: Incoming;
  #samples = 0;
  #stats = { parts: 0, repeated: 0, peakCutBytes: 0, peakCutTensors: 0, spilledBytes: 0 };

  constructor(request: WalkRequest, first: Feeds) {
    this.#request = request;
    this.#limits = { ...defaultWalkLimits, ...request.limits };
    const { graph } = request.model;
    this.#fed = new Set(graph.inputs.map(({ name }) => name).filter((name) => first.has(name)));
    this.#there = this.#fed;
    this.#remaining = new Set(request.wanted);
    this.#total = this.#remaining.size;
    const inputShapes = Object.fromEntries([...first].map(([name, { dims }]) => [name, dims]));
    this.#shapes = inferShapes(request.model, { inputShapes });
    this.#graph = new WalkGraph(graph, this.#fed, this.#shapes);
    for (const name of this.#remaining)
      if (!this.#exists(name)) throw new StudioError('calib/missing-value', { tensor: name });
  }

  #exists(value: string): boolean {
    return this.#fed.has(value) || this.#graph.positionOf(value) >= 0;
  }

  async run(): Promise<WalkOutcome> {
    while (this.#remaining.size > 0) await this.#part();
    // Nobody wanted anything: the samples are counted all the same.
    if (this.#total === 0) for await (const _ of this.#feeds(undefined)) this.#samples += 1;
    return { samples: this.#samples, ...this.#stats };
  }

  async #part(): Promise<void> {
    const { visitor, mode, model } = this.#request;
    const incoming = this.#incoming;
    const targets = this.#nextTargets();
    const part = this.#planPart(targets);
    const stop: WalkStop = { values: part.seen, done: this.#total - this.#remaining.size, total: this.#total };
    const signature = mode === 'edit' ? signatureOf(model.graph, part.plan) : [];
    if (part.seen.length > 0) await visitor.arrive?.(stop);
    let outgoing = await this.#runPart(part, incoming, stop, mode === 'read');
    this.#stats.parts += 1;
    if (part.seen.length > 0) await visitor.leave?.(stop);
    for (const name of part.seen) this.#remaining.delete(name);
    let kept = part.kept;
    if (mode === 'edit' && part.seen.length > 0) {
      this.#graph = new WalkGraph(model.graph, this.#fed, this.#shapes);
      const again = this.#planPart(
        targets.filter((name) => this.#exists(name)),
        true,
      );
      kept = again.kept;
      const isSame = isEqualList(signature, signatureOf(model.graph, again.plan));
      if (!isSame || [...kept].some((name) => !part.kept.has(name))) {
        outgoing = await this.#runPart(again, incoming, stop, false);
        this.#stats.repeated += 1;
      }
    }
    this.#there = kept;
    this.#incoming = outgoing;
  }

  /** To edit, what is made first, alone; to read, as much as fits into one part. */
  #nextTargets(): string[] {
    const order = [...this.#remaining].sort((a, b) => this.#graph.positionOf(a) - this.#graph.positionOf(b));
    if (this.#request.mode === 'edit') return order.slice(0, 1);
    const targets: string[] = [];
    const weights = new Set<string>();
    let [weightBytes, valueBytes] = [0, 0];
    for (const name of order) {
      weightBytes += this.#graph.weightBytes(name, this.#there, weights);
      valueBytes += this.#bytesOf(name);
      const { partWeightBytes, partValueBytes } = this.#limits;
      if (targets.length > 0 && (weightBytes > partWeightBytes || valueBytes > partValueBytes)) break;
      targets.push(name);
    }
    return targets;
  }

  /** Of one sample like the first, in float32. */
  #bytesOf(value: string): number {
    const shape = this.#shapes.get(value)?.shape;
    const isKnown = shape?.every((dim) => typeof dim === 'number');
    return isKnown ? 4 * elementCount(shape as number[]) : ASSUMED_BYTES;
  }

  /** @param isSeen its wanted values have been observed: only what is left counts */
  #planPart(targets: readonly string[], isSeen = false): PartRun {
    const graph = this.#graph;
    const plan = graph.plan(targets, this.#there, this.#limits.partWeightBytes);
    const keepable = graph.keepable(plan.nodes);
    const made = new Set(plan.nodes.flatMap(({ outputs }) => outputs));
    const seen = isSeen ? [] : [...this.#remaining].filter((name) => made.has(name) || this.#there.has(name));
    const later = [...this.#remaining].filter((name) => !seen.includes(name));
    // What was seen now is read by nodes whose values are wanted later, so it is kept as far as they need it.
    const kept = graph.needed(later, new Set([...this.#there, ...keepable]));
    return { plan, seen, kept };
  }

  /** @param isLast nothing will ask for the incoming values again */
  async #runPart(part: PartRun, incoming: Incoming, stop: WalkStop, isLast: boolean): Promise<WalkState> {
    const { job, executor, model, store } = this.#request;
    const made = new Set(part.plan.nodes.flatMap(({ outputs }) => outputs));
    const outputs = [...new Set([...part.kept, ...part.seen])].filter((name) => made.has(name));
    const outgoing = new WalkState(this.#limits.cutBytes, store);
    let session: Awaited<ReturnType<typeof openPart>> | undefined;
    let sample = 0;
    try {
      for await (const before of this.#feeds(incoming)) {
        throwIfCancelled(job.signal);
        await job.yield();
        const { done, total } = stop;
        const stage = `running calibration samples (layer input ${Math.min(done + 1, total)} of ${total})`;
        job.onProgress({ stage, done: sample, total: this.#samples || null, unit: 'samples' });
        const feeds = await this.#inputsOf(part, sample, before);
        if (outputs.length > 0) session ??= await openPart(executor, await partModel(model, part.plan, feeds, outputs));
        const results: Feeds = session ? await session.run(feeds) : new Map();
        for (const name of part.seen)
          await this.#observe(name, sample, results.get(name) ?? (await readValue(before, sample, name)));
        await outgoing.keep(sample, part.kept, results, before);
        this.#note(incoming, outgoing);
        if (isLast) incoming?.drop(sample);
        sample += 1;
      }
    } finally {
      await session?.close();
    }
    this.#samples = sample;
    this.#stats.spilledBytes += outgoing.spilledBytes;
    return outgoing;
  }

  async *#feeds(incoming: Incoming): AsyncGenerator<Feeds | WalkState> {
    if (incoming) {
      for (let sample = 0; sample < incoming.sampleCount; sample += 1) yield incoming;
      return;
    }
    let taken = 0;
    for await (const feeds of this.#request.source.feeds()) {
      if (taken >= (this.#request.maxSamples ?? Number.POSITIVE_INFINITY)) return;
      taken += 1;
      checkFeeds(this.#request.model, feeds);
      yield feeds;
    }
  }

  async #inputsOf({ plan }: PartRun, sample: number, before: Feeds | WalkState): Promise<Map<string, HostTensor>> {
    const feeds = new Map<string, HostTensor>();
    for (const name of plan.inputs) {
      const value = await readValue(before, sample, name);
      if (!value) throw new StudioError('calib/missing-value', { tensor: name });
      feeds.set(name, value);
    }
    return feeds;
  }

  async #observe(name: string, sample: number, value: HostTensor | undefined): Promise<void> {
    if (!value || !/^(b?float16|float32|float64)$/.test(value.dtype))
      throw new StudioError('calib/missing-value', { tensor: name });
    const { dtype, dims, data } = value;
    const values = floatsOf(dtype, data, elementCount(dims), name);
    await this.#request.visitor.observe({ name, sample, dims, values });
  }

  #note(incoming: Incoming, outgoing: WalkState): void {
    const stats = this.#stats;
    stats.peakCutBytes = Math.max(stats.peakCutBytes, (incoming?.heldBytes ?? 0) + outgoing.heldBytes);
    stats.peakCutTensors = Math.max(stats.peakCutTensors, outgoing.tensorCount);
  }
}

async function readValue(from: Feeds | WalkState, sample: number, name: string): Promise<HostTensor | undefined> {
  return from instanceof WalkState ? from.get(sample, name) : from.get(name);
}

function isEqualList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
