import { z } from 'zod';
import { defineStep, type StepContext } from '../step/define.ts';
import { type AwqChoice, applyAwqToPlan } from './support/awq-scales.ts';
import { samplesParam } from './support/calibration.ts';
import { clipBlocks } from './support/clip-blocks.ts';
import { quantizeMatrix } from './support/nbits-matrix.ts';
import { nodeLabel } from './support/patterns.ts';
import type { BlockClip } from './support/scale/block-losses.ts';
import { checkWeightOnly, matrixRequest, runWeightOnly, weightOnlyRunsOn } from './support/weight-only.ts';
import { weightOnlyParams } from './support/weight-only-params.ts';

const TITLE = 'Weight-only blocks, AWQ';

const params = z.object({
  ...weightOnlyParams,
  clip: z.boolean().default(true).meta({
    title: 'Search clipping',
    description: 'Per block, cut the largest weights where that makes the output more accurate.',
  }),
  useWeights: z.boolean().default(true).meta({
    title: 'Weigh by weights too',
    description: "Try factors that take the weights' own size into account besides the activations'.",
  }),
  insertMul: z.boolean().default(true).meta({
    title: 'Insert Mul nodes',
    description:
      'Where the factors fit into nothing that is there (an attention output, say), put a small Mul node if it is worth it.',
  }),
  samples: samplesParam(128),
  rows: z.number().int().min(16).max(8192).default(512).meta({
    title: 'Rows to judge very wide layers by',
    description:
      'Layers with up to 2048 inputs are judged by all positions in all samples. For wider ones so many positions are drawn at random.',
    unit: 'rows',
  }),
});

function leaveFacts(ctx: StepContext, choices: readonly AwqChoice[]): void {
  ctx.leave({
    scaled: choices.map(({ group, placement, alpha, before, after, clips }) => ({
      value: group.root,
      nodes: group.chosen.map(({ node }) => nodeLabel(node)),
      alpha,
      errorReduction: before > 0 ? 1 - after / before : 0,
      clipErrorReduction: clipGain([...clips.values()]),
      folded: placement.fold !== undefined,
    })),
  });
}

function clipGain(clips: readonly BlockClip[]): number | null {
  const before = clips.reduce((sum, clip) => sum + clip.before, 0);
  return before > 0 ? 1 - clips.reduce((sum, clip) => sum + clip.after, 0) / before : null;
}

export const step = defineStep({
  id: 'weight-only-awq',
  title: TITLE,
  summary:
    'Like round to nearest, but input channels that meet large activations are scaled up first, and outliers in the weights clipped, as calibration inputs advise. For models with activation outliers; the same file format.',
  section: 'quantization',
  order: 317,
  exclusiveGroup: 'weights',
  params,
  precision: 'lossy',
  needs: { execution: true, calibration: true },
  source:
    'Lin, Tang, Tang, Yang, Dang, Gan, Han 2023, arXiv 2306.00978, sections 3.2 and 5.1; the error of single layers is searched, one after the other, with alpha 0 among the candidates; query and key projections are clipped too, which the authors leave out, since each column is clipped only where its output gets closer',
  runsOn: weightOnlyRunsOn,
  check: (model, settings) => checkWeightOnly(model, settings, TITLE),
  run: async (ctx, settings) => {
    const choices = await applyAwqToPlan(ctx, settings, TITLE);
    leaveFacts(ctx, choices);
    const clips = new Map(choices.flatMap((choice) => [...choice.clips]));
    await runWeightOnly(ctx, settings, TITLE, async (_, weight) => {
      const request = matrixRequest(weight);
      const [site, ...others] = weight.sites;
      const clip = others.length === 0 ? clips.get(site.node) : undefined;
      if (!clip) return quantizeMatrix(ctx, request);
      const tensor = await clipBlocks(site, weight.scheme.blockSize, clip.ratios);
      return quantizeMatrix(ctx, { ...request, tensor });
    });
  },
});
