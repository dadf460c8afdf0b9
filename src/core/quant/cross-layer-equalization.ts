import { z } from 'zod';
import { throwIfCancelled } from '../base/cancel.ts';
import type { GraphEditor } from '../ir/editor.ts';
import type { Model, Node } from '../ir/types.ts';
import { isDefaultDomain } from '../ir/walk.ts';
import { type Advisory, defineStep, runsEverywhere, type StepContext } from '../step/define.ts';
import { nodeLabel, nodePatternParams, nodeSelector } from './support/patterns.ts';
import { adviceBefore, nothingToDo, someOf } from './support/report.ts';
import { equalizeRanges, type LayerRanges, type RangePair } from './support/scale/equalize-ranges.ts';
import { layerRanges } from './support/scale/layer-ranges.ts';
import { type Placement, ScaleFolder } from './support/scale/scale-folder.ts';
import { findScaleGroups, type ScaleGroup } from './support/scale/scale-groups.ts';
import { closeScopes, openScopes, type Scope } from './support/scopes.ts';
import { weightSource } from './support/weights.ts';

const TITLE = 'Cross-layer equalization';
const WANTED = 'layers with only Relu, LeakyRelu, PRelu, pooling or the like between them';

const params = z.object({
  rounds: z.number().int().min(1).max(1000).default(100).meta({
    title: 'Rounds',
    description: 'How often all pairs of layers are gone through at most; it ends when nothing changes any more.',
    unit: 'rounds',
  }),
  matmul: z.boolean().default(true).meta({
    title: 'MatMul and Gemm',
    description: 'Equalize fully connected layers too, not only convolutions.',
  }),
  boundChannels: z.boolean().default(false).meta({
    title: 'Bounds for each channel',
    description:
      'Equalize across ReLU6 too: each Clip(0, max) becomes a Relu and a Min with a bound a channel, which is exact, but which integer kernels do not fold, so static INT8 gets slower. Without it such pairs are left alone.',
  }),
  ...nodePatternParams,
});

type Params = z.output<typeof params>;

interface Pair {
  readonly group: ScaleGroup;
  readonly placement: Placement;
  readonly producer: Node;
}

const layers = ['Conv', 'ConvTranspose', 'MatMul', 'Gemm'];

/** Pairs of layers with nothing but positively homogeneous operators between them. */
function findPairs(ctx: StepContext, editor: GraphEditor, folder: ScaleFolder, groups: readonly ScaleGroup[]): Pair[] {
  const pairs: Pair[] = [];
  const shared: string[] = [];
  const clipped: string[] = [];
  for (const group of groups) {
    const placement = folder.place(group);
    const producer = placement.fold?.constants.at(-1)?.node;
    if (!producer && editor.producerOf(group.root)?.opType === 'Clip') clipped.push(group.root);
    if (!producer || !isDefaultDomain(producer.domain) || !layers.includes(producer.opType)) continue;
    const sharing = folder.sharing(group, placement);
    if (sharing.length > 0) shared.push(...sharing.map(({ node }) => nodeLabel(node)));
    else pairs.push({ group, placement, producer });
  }
  if (clipped.length > 0)
    ctx.advise({
      level: 'warning',
      code: 'quant/equalization-clip',
      message: `Clip nodes with an upper bound (ReLU6) stand between ${clipped.length} pairs of layers (${someOf(clipped)}): a bound that all channels share forbids to scale them, so these pairs were left alone. "Bounds for each channel" would take them in.`,
    });
  adviseShared(ctx, shared);
  return pairs;
}

function adviseShared(ctx: StepContext, labels: readonly string[]): void {
  if (labels.length === 0) return;
  ctx.advise({
    level: 'info',
    code: 'quant/shared-weight',
    message: `Left as it is: ${someOf(labels)}: its weight is also read by nodes that need it unchanged.`,
  });
}

/** Magnitudes of each layer once, however many pairs it is in. */
async function rangePairs(ctx: StepContext, scope: Scope, pairs: readonly Pair[]): Promise<RangePair[]> {
  const known = new Map<Node, LayerRanges>();
  const rangesOf = async (node: Node): Promise<LayerRanges> => {
    const ranges = known.get(node) ?? (await layerRanges(node, weightSource(scope, node.inputs[1]!)!));
    known.set(node, ranges);
    return ranges;
  };
  const result: RangePair[] = [];
  for (const { group, producer } of pairs) {
    throwIfCancelled(ctx.signal);
    await ctx.yield();
    const readers: LayerRanges[] = [];
    for (const { node } of group.readers) readers.push(await rangesOf(node));
    result.push({ producer: await rangesOf(producer), readers, channels: group.channels });
  }
  return result;
}

async function equalize(ctx: StepContext, scope: Scope, settings: Params): Promise<void> {
  const folder = new ScaleFolder(ctx, scope, await ctx.shapes(), settings.boundChannels);
  const selects = nodeSelector(settings);
  const isChosen = (node: Node) => selects(node) && (settings.matmul || node.opType.startsWith('Conv'));
  const groups = findScaleGroups(scope, { shapeOf: folder.shapeOf, isChosen: ({ node }) => isChosen(node) });
  const pairs = findPairs(ctx, scope.editor, folder, groups).filter(({ producer }) => isChosen(producer));
  if (pairs.length === 0) {
    ctx.advise(nothingToDo(TITLE, WANTED));
    return;
  }
  const breathe = async (round: number) => {
    throwIfCancelled(ctx.signal);
    await ctx.yield();
    ctx.onProgress({ stage: 'equalizing channels', done: round - 1, total: settings.rounds, unit: 'runs' });
  };
  const { divisors, settled } = await equalizeRanges(await rangePairs(ctx, scope, pairs), settings.rounds, breathe);
  for (const [index, { group, placement, producer }] of pairs.entries()) {
    throwIfCancelled(ctx.signal);
    const divisor = divisors[index]!;
    if (divisor.every((value) => value === 1)) continue;
    const labels = [nodeLabel(producer), ...group.readers.map(({ node }) => nodeLabel(node))];
    if (await folder.divide(group, divisor, placement))
      ctx.ledger.record('equalized channels between layers', labels, labels);
    else adviseOverflow(ctx, labels);
  }
  if (!settled)
    ctx.advise({
      level: 'info',
      code: 'quant/not-settled',
      message: `Equalization still changed factors after ${settings.rounds} rounds; more may gain a little.`,
    });
}

function adviseOverflow(ctx: StepContext, labels: readonly string[]): void {
  ctx.advise({
    level: 'warning',
    code: 'quant/rescale-overflow',
    message: `Left as it is: ${someOf(labels)}: a rescaled weight would leave the range of its type.`,
  });
}

function check(model: Model, settings: Params): Advisory[] {
  return adviceBefore(model, settings);
}

export const step = defineStep({
  id: 'cross-layer-equalization',
  title: TITLE,
  summary:
    'Evens out the sizes of channels between neighbouring layers without changing what the model computes, so that one scale a tensor suffices. Put it before 8-bit quantization; needs no data.',
  section: 'quantization',
  order: 301,
  params,
  precision: 'exact-within-fp',
  optIn: true,
  needs: {},
  source: 'Nagel, van Baalen, Blankevoort, Welling 2019, arXiv 1906.04721, section 4.1 (high biases are not absorbed)',
  runsOn: () => runsEverywhere,
  check,
  run: async (ctx, settings) => {
    const scopes = openScopes(ctx.model);
    for (const scope of scopes) if (!scope.outer) await equalize(ctx, scope, settings);
    closeScopes(scopes);
  },
});
