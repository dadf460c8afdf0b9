import { z } from 'zod';
import { throwIfCancelled } from '../base/cancel.ts';
import { StudioError } from '../base/errors/index.ts';
import { ChannelSample } from '../calib/channel-sample.ts';
import { walkLayers } from '../calib/layer-walk.ts';
import type { Model } from '../ir/types.ts';
import { forEachNode } from '../ir/walk.ts';
import { type Advisory, defineStep, runsEverywhere, type StepContext } from '../step/define.ts';
import { addToBias } from './support/bias/add-to-bias.ts';
import { type MatchedLayer, matchLayers } from './support/bias/match-layers.ts';
import { adviseCalibrated, calibrationOf, samplesParam } from './support/calibration.ts';
import { nodeLabel, nodePatternParams, nodeSelector } from './support/patterns.ts';
import { unmatchedPatternAdvice } from './support/report.ts';
import { closeScopes, openScopes } from './support/scopes.ts';

const TITLE = 'Bias correction';

const params = z.object({
  samples: samplesParam(256),
  insertAdd: z.boolean().default(true).meta({
    title: 'Insert Add nodes',
    description: 'Where a layer has no bias that could take the correction, put an Add node after it.',
  }),
  ...nodePatternParams,
});

type Params = z.output<typeof params>;

/** Mean of each channel of the layers' outputs in the model before quantization. */
async function originalMeans(
  ctx: StepContext,
  layers: readonly MatchedLayer[],
  samples: number,
): Promise<Map<string, Float64Array>> {
  const { source, executor } = calibrationOf(ctx, TITLE);
  const means = new Map<string, MeanObserver>();
  for (const layer of layers) means.set(layer.original, new MeanObserver(layer, layer.original));
  const outcome = await walkLayers({
    model: ctx.original,
    executor,
    source,
    wanted: means.keys(),
    mode: 'read',
    job: ctx,
    store: ctx.store,
    maxSamples: samples,
    visitor: { observe: ({ name, sample, dims, values }) => means.get(name)!.observe(values, dims, sample) },
  });
  adviseCalibrated(ctx, source.origin, outcome.samples);
  return new Map([...means].map(([name, observer]) => [name, observer.means()]));
}

class MeanObserver {
  readonly #sample: ChannelSample;
  readonly #axis: number;
  readonly #name: string;

  constructor({ channels, axis }: MatchedLayer, name: string) {
    this.#sample = new ChannelSample(name, { channels, rows: 0, seed: 0 });
    this.#axis = axis;
    this.#name = name;
  }

  observe(values: Float32Array, dims: readonly number[], sample: number): void {
    this.#sample.observe(values, dims, this.#axis, sample);
  }

  means(): Float64Array {
    if (this.#sample.seen === 0)
      throw new StudioError('calib/too-few-samples', { tensor: this.#name, count: 0, needed: 1 });
    return this.#sample.means();
  }
}

/** In order, so that each layer is corrected on what the corrected ones before it give. */
async function correct(ctx: StepContext, layers: readonly MatchedLayer[], settings: Params): Promise<void> {
  const wanted = await originalMeans(ctx, layers, settings.samples);
  const scopes = openScopes(ctx.model);
  const { editor } = scopes[0]!;
  const byDraft = new Map(layers.map((layer) => [layer.draft, layer]));
  const observers = new Map<string, MeanObserver>();
  const shapes = await ctx.shapes();
  const facts: { node: string; place: string; largestShift: number }[] = [];
  const left: string[] = [];
  await walkLayers({
    model: ctx.model,
    executor: ctx.executor!,
    source: ctx.calibration!,
    wanted: byDraft.keys(),
    mode: 'edit',
    job: ctx,
    store: ctx.store,
    maxSamples: settings.samples,
    visitor: {
      observe: ({ name, sample, dims, values }) => {
        const observer = observers.get(name) ?? new MeanObserver(byDraft.get(name)!, name);
        observers.set(name, observer);
        observer.observe(values, dims, sample);
      },
      leave: async ({ values }) => {
        for (const value of values) {
          throwIfCancelled(ctx.signal);
          const layer = byDraft.get(value)!;
          const now = observers.get(value)!.means();
          observers.delete(value);
          const before = wanted.get(layer.original)!;
          const amounts = now.map((mean, channel) => before[channel]! / (layer.divisors?.[channel] ?? 1) - mean);
          const dtype = shapes.get(value)?.dtype === 'float16' ? 'float16' : 'float32';
          const place = await addToBias(
            { editor, value, axis: layer.axis, dtype, mayInsert: settings.insertAdd },
            amounts,
          );
          const label = nodeLabel(layer.node);
          if (!place) left.push(label);
          else {
            ctx.ledger.record(`corrected the mean of a layer (${place})`, [label], [label]);
            facts.push({
              node: label,
              place,
              largestShift: amounts.reduce((most, amount) => Math.max(most, Math.abs(amount)), 0),
            });
          }
          editor.finish();
        }
      },
    },
  });
  closeScopes(scopes);
  ctx.leave({ corrected: facts });
  if (left.length > 0)
    ctx.advise({
      level: 'info',
      code: 'quant/no-bias',
      message: `${left.length} quantized layers have no bias that could be corrected (the first: ${left[0]}).`,
    });
}

const nothing: Advisory = {
  level: 'warning',
  code: 'quant/nothing-to-correct',
  message: `${TITLE} found no quantized layer: put it after a step that quantizes Conv, MatMul or Gemm.`,
};

function check(model: Model, settings: Params): Advisory[] {
  let layers = 0;
  forEachNode(model, ({ opType }) => {
    if (['Conv', 'ConvTranspose', 'MatMul', 'Gemm'].includes(opType)) layers += 1;
  });
  return [
    ...unmatchedPatternAdvice(model, [...settings.include, ...settings.exclude]),
    ...(layers === 0 ? [nothing] : []),
  ];
}

export const step = defineStep({
  id: 'bias-correction',
  title: TITLE,
  summary:
    'Takes out of each quantized layer the mean error that rounding has brought in, by running calibration inputs through the model before and after. After an 8-bit or weight-only step; costs nothing in the runs.',
  section: 'quantization',
  order: 390,
  params,
  precision: 'lossy',
  needs: { execution: true, calibration: true },
  source: 'Nagel, van Baalen, Blankevoort, Welling 2019, arXiv 1906.04721, appendix D (empirical bias correction)',
  runsOn: () => runsEverywhere,
  check,
  run: async (ctx, settings) => {
    const selects = nodeSelector(settings);
    const { editor } = openScopes(ctx.model)[0]!;
    const layers = matchLayers(ctx, editor).filter(({ node }) => selects(node));
    if (layers.length === 0) ctx.advise(nothing);
    else await correct(ctx, layers, settings);
  },
});
