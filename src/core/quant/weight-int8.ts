import { z } from 'zod';
import { elementCount } from '../ir/tensor.ts';
import type { Model } from '../ir/types.ts';
import { raiseOpset } from '../passes/support/raise-opset.ts';
import {
  type Advisory,
  defineStep,
  type ExecutionProvider,
  type ProviderSupport,
  runsEverywhere,
  type StepContext,
} from '../step/define.ts';
import { nodeLabel, nodePatternParams, nodeSelector } from './support/patterns.ts';
import { adviceBefore, adviseSkipped, nothingToDo } from './support/report.ts';
import { openScopes, opsetOf, type Scope } from './support/scopes.ts';
import { type ExpandForm, type Grouping, WeightStore } from './support/stored-weights.ts';
import { replaceEmbedding, WeightRewriter } from './support/weight-rewrite.ts';
import { findComputedRecurrence, findWeightUses, type WeightUse } from './support/weight-uses.ts';
import { computedWeights, dropReplaced } from './support/weights.ts';

const TITLE = 'INT8 weights, computed in floating point';
/** DequantizeLinear exists from 10, takes an axis from 13, float16 scales from 19 and blocks from 21. */
const PER_TENSOR_OPSET = 10;
const PER_AXIS_OPSET = 13;
const HALF_SCALE_OPSET = 19;
const BLOCKED_OPSET = 21;

const params = z.object({
  granularity: z
    .enum(['channel', 'tensor', 'block'])
    .default('channel')
    .meta({
      title: 'Granularity',
      description:
        'What shares a scale: an output channel, the whole weight, or a block of inputs within a channel (MatMul and Gemm only).',
      optionTitles: { channel: 'per channel', tensor: 'per tensor', block: 'per block' },
    }),
  blockSize: z.literal([16, 32, 64, 128, 256]).default(64).meta({
    title: 'Block size',
    description: 'For "per block". A weight whose length is no multiple of it is quantized per channel.',
  }),
  symmetric: z.boolean().default(true).meta({
    title: 'Symmetric',
    description:
      'No zero points. Asymmetric is a little more accurate for weights whose values lie to one side of zero.',
  }),
  expand: z
    .enum(['load', 'run'])
    .default('load')
    .meta({
      title: 'Expand the weights',
      description:
        'When the model loads: small file, then the speed and memory of the original. In every run: less memory, slower (DequantizeLinear stays in the graph; native runtimes may fuse it into an integer kernel).',
      optionTitles: { load: 'when the model loads', run: 'in every run' },
    }),
  minElements: z.number().int().min(1).max(1_000_000).default(1024).meta({
    title: 'Smallest weight',
    description: 'Weights with fewer elements stay as they are.',
    unit: 'elements',
  }),
  linear: z.boolean().default(true).meta({ title: 'MatMul and Gemm', description: 'Fully connected layers.' }),
  convolution: z
    .boolean()
    .default(true)
    .meta({ title: 'Conv', description: 'Convolutions, transposed ones included.' }),
  recurrent: z.boolean().default(true).meta({ title: 'LSTM, GRU and RNN', description: 'Recurrent layers.' }),
  embedding: z.boolean().default(true).meta({
    title: 'Embeddings',
    description:
      'Tables read by Gather: rows are picked in 8 bits and expanded afterwards, so the table stays small in memory.',
  }),
  ...nodePatternParams,
});

type Params = z.output<typeof params>;

function selectUses(scopes: readonly Scope[], settings: Params): WeightUse[] {
  const selects = nodeSelector(settings);
  return findWeightUses(scopes).filter(({ family, node, source }) => {
    const { tensor } = source;
    const isStorable = tensor.dtype === 'float32' || tensor.dtype === 'float16';
    return settings[family] && isStorable && elementCount(tensor.dims) >= settings.minElements && selects(node);
  });
}

function groupingFor(use: WeightUse, { granularity, blockSize, expand }: Params): Grouping {
  if (granularity === 'tensor') return { kind: 'tensor' };
  const axis = use.reductionAxis;
  const dims = use.source.tensor.dims;
  // onnxruntime 1.30 makes MatMulIntegerToFloat of two dequantized operands, which fails in a run when one has blocks.
  const isFusedWrongly = expand === 'run' && readsDequantized(use);
  if (granularity === 'block' && !isFusedWrongly && axis !== undefined && dims[axis]! % blockSize === 0)
    return { kind: 'block', axis, size: blockSize };
  return { kind: 'channel', axis: use.channelAxis };
}

const readsDequantized = ({ scope, node, inputIndex }: WeightUse): boolean =>
  node.inputs.some(
    (value, index) => index !== inputIndex && scope.editor.producerOf(value)?.opType === 'DequantizeLinear',
  );

/**
 * Where DequantizeLinear cannot be had in the wanted granularity, weights are expanded by Cast and Mul: the result is
 * the same, and it is folded when the model loads.
 */
async function chooseForm(ctx: StepContext, settings: Params): Promise<ExpandForm> {
  if (settings.expand === 'load') return 'load';
  const byGranularity = { tensor: PER_TENSOR_OPSET, channel: PER_AXIS_OPSET, block: BLOCKED_OPSET }[
    settings.granularity
  ];
  const isHalf = selectUses(openScopes(ctx.model), settings).some(({ source }) => source.tensor.dtype === 'float16');
  const needed = Math.max(byGranularity, isHalf ? HALF_SCALE_OPSET : 0);
  const obstacle = opsetOf(ctx.model) >= needed ? undefined : await raiseOpset(ctx, needed);
  if (obstacle === undefined) return 'run';
  ctx.advise({
    level: 'warning',
    code: 'quant/expanded-at-load',
    message: `DequantizeLinear in this ${isHalf ? 'granularity and type' : 'granularity'} needs opset ${needed}, and the model has ${opsetOf(ctx.model)} (${obstacle}). The weights are expanded when the model loads.`,
  });
  return 'load';
}

async function quantizeUses(
  ctx: StepContext,
  uses: readonly WeightUse[],
  form: ExpandForm,
  settings: Params,
): Promise<void> {
  const scheme = { type: 'int8', symmetric: settings.symmetric, reduceRange: false } as const;
  // Rows that Gather picks are expanded by Cast and Mul in either form.
  const rows = new WeightStore(ctx, scheme, 'load');
  const weights = form === 'load' ? rows : new WeightStore(ctx, scheme, 'run');
  const rewriter = new WeightRewriter(weights);
  let done = 0;
  for (const use of uses) {
    ctx.onProgress({ stage: 'quantizing weights', done, total: uses.length, unit: 'tensors' });
    const grouping = groupingFor(use, settings);
    const label = nodeLabel(use.node);
    if (use.family === 'embedding') {
      const stored = await rows.store(use.source, grouping);
      ctx.ledger.record('stored an embedding in 8 bits', [label], replaceEmbedding(use, stored));
    } else {
      const stored = await weights.store(use.source, grouping);
      rewriter.readExpanded(use, stored);
      ctx.ledger.record(`stored ${use.node.opType} weights in 8 bits`, [use.source.valueName], [stored.codes]);
    }
    done += 1;
  }
}

function check(model: Model, settings: Params): Advisory[] {
  const advice = adviceBefore(model, settings);
  const uses = selectUses(openScopes(model), settings);
  if (uses.length === 0)
    advice.push(nothingToDo(TITLE, `selected weight of at least ${settings.minElements} elements`));
  const uneven = uses.filter((use) => settings.granularity === 'block' && groupingFor(use, settings).kind !== 'block');
  if (uneven.length > 0)
    advice.push({
      level: 'info',
      code: 'quant/no-blocks',
      message: `${uneven.length} of ${uses.length} weights are no products, or their length is no multiple of ${settings.blockSize}, or their input is dequantized too; they are quantized per channel.`,
    });
  if (settings.expand === 'run' && uses.some(({ family }) => family === 'linear'))
    advice.push({
      level: 'warning',
      code: 'quant/slow-on-wasm',
      message:
        'WASM turns DequantizeLinear + MatMul into an 8-bit kernel that is slower than float32 (measured: 19 ms against 3 ms at 2048 x 2048). Expanding at load avoids that.',
      providers: ['wasm'],
    });
  return advice;
}

function runsOn(settings: Params): Record<ExecutionProvider, ProviderSupport> {
  if (!settings.embedding) return runsEverywhere;
  const partial = {
    level: 'partial',
    reason: 'Gather of an 8-bit embedding runs on the CPU, if the model has one',
  } as const;
  return { ...runsEverywhere, webgpu: partial, webnn: partial };
}

export const step = defineStep({
  id: 'weight-int8',
  title: TITLE,
  summary:
    'Stores weights of any layer in 8 bits, a quarter of the bytes, and computes as before: nearly no loss, and by default no change in speed.',
  section: 'quantization',
  order: 330,
  params,
  precision: 'lossy',
  needs: {},
  source: 'ONNX DequantizeLinear-21; formulas of onnxruntime 1.30 quant_utils',
  runsOn,
  check,
  run: async (ctx, settings) => {
    const form = await chooseForm(ctx, settings);
    const scopes = openScopes(ctx.model);
    const uses = selectUses(scopes, settings);
    if (settings.recurrent)
      adviseSkipped(
        ctx,
        findComputedRecurrence(scopes).map((node) => ({ node, reason: computedWeights })),
      );
    if (uses.length === 0) {
      ctx.advise(nothingToDo(TITLE, `selected weight of at least ${settings.minElements} elements`));
      return;
    }
    const replaced = uses.map(({ scope, node, inputIndex }) => ({ scope, value: node.inputs[inputIndex]! }));
    await quantizeUses(ctx, uses, form, settings);
    dropReplaced(scopes, replaced);
  },
});
