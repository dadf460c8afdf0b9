/** Measures a group of layers: their values are held for all samples, then the rest of the model is run layer by layer. */
import { throwIfCancelled } from '../base/cancel.ts';
import { type AgreementTerms, addTerms, noTerms, sqnrDecibels } from '../eval/agreement.ts';
import type { Feeds } from '../eval/types.ts';
import { type Cone, coneBehind } from './cone.ts';
import { termsBetween } from './error-lens.ts';
import { LossSheet } from './final-loss.ts';
import { isFloat } from './layers.ts';
import { nodesBetween } from './part.ts';
import type { QuantizableLayer } from './quantizable-layers.ts';
import type { CandidateId, SensitiveLayer, SensitivityPoint } from './results.ts';
import type { SensitivityPlan } from './sensitivity.ts';
import { openPart, type PartSession } from './sessions.ts';

/** A place where a layer's values are replaced. */
interface Place {
  readonly outputs: readonly string[];
  readonly cone: Cone;
}

interface GroupLayer extends QuantizableLayer {
  /** One for each list of values that candidates replace: nearly always a single one. */
  readonly places: readonly Place[];
}

/** Of one sample. */
interface HeldValues {
  /** Inputs of the model and whatever the rest of it reads, from the original. */
  readonly around: Feeds;
  /** What each candidate makes in the place of each layer's outputs. */
  readonly made: ReadonlyMap<CandidateId, Feeds>;
}

export async function measureGroup(
  plan: SensitivityPlan,
  layers: readonly QuantizableLayer[],
  onLayer: (layer: SensitiveLayer) => void,
): Promise<void> {
  const { dtypeOf } = plan;
  const { graph } = plan.request.model;
  const wanted = new Set(plan.rule.outputs);
  const group = layers.map((layer) => {
    const lists = new Map([...layer.forms.values()].map(({ outputs }) => [outputs.join('\n'), outputs]));
    const places = [...lists.values()].map((outputs) => ({
      outputs,
      cone: coneBehind(graph, new Set(outputs), wanted, dtypeOf),
    }));
    return { ...layer, places };
  });
  const local = new LocalErrors();
  const held = await holdValues(plan, group, local);
  for (const layer of group) onLayer(await measureLayer(plan, layer, held, local));
}

/** Sums of errors by (layer, candidate). */
class LocalErrors {
  readonly #sums = new Map<string, AgreementTerms>();

  add(layer: QuantizableLayer, candidate: CandidateId, got: Feeds, expected: Feeds): void {
    const key = `${candidate} ${layer.name}`;
    let sum = this.#sums.get(key) ?? noTerms;
    for (const name of layer.forms.get(candidate)!.outputs) sum = addTerms(sum, termsBetween(name, got, expected));
    this.#sums.set(key, sum);
  }

  sqnrDb(layer: QuantizableLayer, candidate: CandidateId): number {
    return sqnrDecibels(this.#sums.get(`${candidate} ${layer.name}`) ?? noTerms);
  }
}

async function holdValues(
  plan: SensitivityPlan,
  group: readonly GroupLayer[],
  local: LocalErrors,
): Promise<HeldValues[]> {
  const { request, candidates, samples, dtypeOf } = plan;
  const { model, executor, job } = request;
  const made = new Set(model.graph.nodes.flatMap(({ outputs }) => outputs));
  const own = candidates.map(({ id, variant, matched }) => {
    const outputs = group.flatMap(({ forms }) => forms.get(id)?.outputs ?? []);
    const { read } = nodesBetween(variant.graph.nodes, matched.values, new Set(outputs));
    return { id, variant, matched, outputs, reads: [...read].filter((name) => matched.values.has(name)) };
  });
  const around = new Set(group.flatMap(({ places }) => places.flatMap(({ cone }) => cone.boundary)));
  const wanted = new Set([...around, ...own.flatMap(({ reads, outputs }) => [...reads, ...outputs])]);
  const opened: PartSession[] = [];
  try {
    const original = await openPart(executor, { model, given: new Set(), wanted, dtypeOf }, job.signal);
    opened.push(original);
    const alone = new Map<CandidateId, PartSession>();
    for (const { id, variant, matched, outputs } of own) {
      if (outputs.length === 0) continue;
      const feedTypeOf = (name: string) => (made.has(name) && isFloat(dtypeOf(name)) ? 'float32' : dtypeOf(name));
      const dtypes = { dtypeOf: matched.variantType, feedTypeOf };
      const request = { model: variant, given: matched.values, wanted: new Set(outputs), ...dtypes };
      const session = await openPart(executor, request, job.signal);
      opened.push(session);
      alone.set(id, session);
    }
    const held: HeldValues[] = [];
    for (const [index, feeds] of samples.entries()) {
      throwIfCancelled(job.signal);
      await job.yield();
      job.onProgress({ stage: 'computing layers alone', done: index, total: samples.length, unit: 'samples' });
      const values = await original.run(feeds);
      const results = new Map<CandidateId, Feeds>();
      for (const [id, session] of alone) {
        const got = await session.run(new Map([...feeds, ...values]));
        for (const layer of group) if (layer.forms.has(id)) local.add(layer, id, got, values);
        results.set(id, got);
      }
      held.push({ around: new Map([...feeds, ...[...values].filter(([name]) => around.has(name))]), made: results });
    }
    return held;
  } finally {
    for (const session of opened) await session.close();
  }
}

async function measureLayer(
  plan: SensitivityPlan,
  layer: GroupLayer,
  held: readonly HeldValues[],
  local: LocalErrors,
): Promise<SensitiveLayer> {
  const { rule } = plan;
  const keep: SensitivityPoint = {
    candidate: 'keep',
    bytes: layer.keptBytes,
    localSqnrDb: sqnrDecibels(noTerms),
    loss: 0,
    agreement: rule.kind === 'kl' ? 1 : null,
  };
  const measured = new Map<CandidateId, SensitivityPoint>();
  for (const place of layer.places) {
    const behind = await openBehind(plan, place);
    try {
      for (const { id } of plan.candidates) {
        const form = layer.forms.get(id);
        if (form?.outputs.join('\n') !== place.outputs.join('\n')) continue;
        const isSeen = place.cone.reached.length > 0;
        const effect = isSeen ? await lossOf(plan, behind, id, held) : { loss: 0, agreement: keep.agreement };
        measured.set(id, { candidate: id, bytes: form.bytes, localSqnrDb: local.sqnrDb(layer, id), ...effect });
      }
    } finally {
      await behind?.close();
    }
  }
  const points = [keep, ...plan.candidates.flatMap(({ id }) => measured.get(id) ?? [])];
  const { name, opType, order, output, parameters, weightBytes, weightKey, inputKey } = layer;
  return { name, opType, order, output, parameters, weightBytes, weightKey, inputKey, points };
}

/** What lies behind the place, its values given; undefined where nothing has to be run. */
async function openBehind(plan: SensitivityPlan, { outputs, cone }: Place): Promise<PartSession | undefined> {
  const { request, dtypeOf } = plan;
  const wanted = cone.reached.filter((name) => !outputs.includes(name));
  if (wanted.length === 0) return undefined;
  const given = new Set([...outputs, ...cone.boundary]);
  // A part gives floating-point values back as float32, whatever the model computes in.
  const feedTypeOf = (name: string) => (given.has(name) && isFloat(dtypeOf(name)) ? 'float32' : dtypeOf(name));
  const { model, executor, job } = request;
  return openPart(executor, { model, given, wanted, dtypeOf, feedTypeOf }, job.signal);
}

async function lossOf(
  { request, rule, references, onRun }: SensitivityPlan,
  behind: PartSession | undefined,
  candidate: CandidateId,
  held: readonly HeldValues[],
): Promise<Pick<SensitivityPoint, 'loss' | 'agreement'>> {
  const sheet = new LossSheet(rule);
  for (const [index, { around, made }] of held.entries()) {
    throwIfCancelled(request.job.signal);
    await request.job.yield();
    const own = made.get(candidate)!;
    const results = behind ? await behind.run(new Map([...around, ...own])) : new Map();
    // Outputs that the layer does not reach are the original's; one that it makes itself is what it made.
    sheet.add(new Map([...references[index]!, ...own, ...results]), references[index]!);
    onRun();
  }
  return sheet.figures();
}
