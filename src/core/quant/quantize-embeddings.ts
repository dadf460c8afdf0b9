import { z } from 'zod';
import type { JsonObject } from '../base/json.ts';
import { elementCount, tensorByteLength } from '../ir/tensor.ts';
import type { Model } from '../ir/types.ts';
import {
  type Advisory,
  defineStep,
  type ExecutionProvider,
  type ProviderSupport,
  runsEverywhere,
  type StepContext,
} from '../step/define.ts';
import { EmbeddingQuantizer } from './support/embedding-quantizer.ts';
import { findEmbeddingTables, tiedHeads } from './support/embedding-sites.ts';
import { findLinearSites } from './support/linear-sites.ts';
import { nbitsBlockSizes } from './support/matmul-nbits.ts';
import { QDQ_OPSET } from './support/nbits-qdq.ts';
import { needOpset } from './support/need-opset.ts';
import { nodePatternParams, nodeSelector } from './support/patterns.ts';
import { adviceBefore, adviseSkipped, floatWeightBytes, nothingToDo, percent } from './support/report.ts';
import { importContribOps, openScopes } from './support/scopes.ts';
import { dropReplaced } from './support/weights.ts';

const TITLE = 'Embeddings in blocks';
/** GatherBlockQuantized takes part of a row by Slice, which has inputs from 10 on. */
const SLICE_OPSET = 10;

const params = z.object({
  bits: z
    .literal([4, 8])
    .default(4)
    .meta({ title: 'Bits per weight', description: '8 is nearly free of loss; 4 halves the table once more.' }),
  blockSize: z.literal(nbitsBlockSizes).default(32).meta({
    title: 'Block size',
    description: 'Weights of a row that share one scale. Smaller is more accurate and larger in bytes.',
  }),
  symmetric: z.boolean().default(false).meta({
    title: 'Symmetric',
    description: 'No zero points: slightly smaller, slightly less accurate.',
  }),
  form: z
    .enum(['gather-block-quantized', 'qdq'])
    .default('gather-block-quantized')
    .meta({
      title: 'Output form',
      description:
        "onnxruntime's GatherBlockQuantized expands only the rows that are picked. DequantizeLinear + Gather is standard ONNX, opset 21, but a runtime that does not fuse the two expands the whole table.",
      optionTitles: { 'gather-block-quantized': 'GatherBlockQuantized', qdq: 'DequantizeLinear (portable)' },
    }),
  tied: z
    .enum(['share', 'leave'])
    .default('share')
    .meta({
      title: 'Tables that the output layer reads too',
      description:
        'Share: one stored copy of the codes serves both; a head that is quantized already lends its codes, whatever its bits, and one that is not becomes quantized. Leave: such tables stay as they are.',
      optionTitles: { share: 'share the codes', leave: 'leave as they are' },
    }),
  minElements: z.number().int().min(1).max(100_000_000).default(4096).meta({
    title: 'Smallest table',
    description: 'Tables with fewer elements stay as they are.',
    unit: 'elements',
  }),
  ...nodePatternParams,
});

export type EmbeddingParams = z.output<typeof params>;

function check(model: Model, settings: EmbeddingParams): Advisory[] {
  const scopes = openScopes(model);
  const { tables } = findEmbeddingTables(scopes, settings.minElements, nodeSelector(settings));
  const advice = adviceBefore(model, settings);
  if (tables.length === 0) {
    advice.push(nothingToDo(TITLE, `selected Gather of a constant table of at least ${settings.minElements} elements`));
    return advice;
  }
  const bytes = tables.reduce((sum, { source }) => sum + tensorByteLength(source.tensor), 0);
  const { sites } = findLinearSites(scopes);
  const tied = tables.filter((table) => tiedHeads(table, sites).length > 0).length;
  advice.push({
    level: 'info',
    code: 'quant/embedding-share',
    message: `Embeddings hold ${percent(bytes, floatWeightBytes(model))} of the weights${tied > 0 ? `; ${tied} of ${tables.length} tables ${tied === 1 ? 'is' : 'are'} read by an output layer too` : ''}.`,
  });
  return advice;
}

function runsOn({ form }: EmbeddingParams): Record<ExecutionProvider, ProviderSupport> {
  const webnn = {
    level: 'partial',
    reason: 'blockwise embeddings were not tested on WebNN; nodes it lacks run on the CPU',
  } as const;
  if (form === 'qdq') return { ...runsEverywhere, webnn };
  return { ...runsEverywhere, webnn };
}

/** Raises the opset where the wanted form needs it. */
async function prepareOpset(ctx: StepContext, settings: EmbeddingParams): Promise<void> {
  const { tables } = findEmbeddingTables(openScopes(ctx.model), settings.minElements, nodeSelector(settings));
  if (tables.length === 0) return;
  const needsSlice = tables.some(({ columns }) => columns % settings.blockSize !== 0);
  const needed = settings.form === 'qdq' ? QDQ_OPSET : needsSlice ? SLICE_OPSET : 0;
  await needOpset(ctx, TITLE, needed, settings.form === 'qdq' ? 'DequantizeLinear with blocks' : 'Slice with inputs');
}

export const step = defineStep({
  id: 'quantize-embeddings',
  title: TITLE,
  summary:
    'Stores the tables of embeddings in 4 or 8 bits with a scale per block, and keeps an output layer tied that reads the same table. Often the largest weight of a small language model.',
  section: 'quantization',
  order: 329,
  params,
  precision: 'lossy',
  needs: {},
  source: 'onnxruntime 1.30, com.microsoft.GatherBlockQuantized and MatMulNBits; ONNX DequantizeLinear-21',
  runsOn,
  check,
  run: async (ctx, settings) => {
    await prepareOpset(ctx, settings);
    const scopes = openScopes(ctx.model);
    const { tables, skipped } = findEmbeddingTables(scopes, settings.minElements, nodeSelector(settings));
    adviseSkipped(ctx, skipped);
    if (tables.length === 0) {
      ctx.advise(nothingToDo(TITLE, 'selected Gather of a constant table'));
      return;
    }
    const quantizer = new EmbeddingQuantizer(ctx, scopes, findLinearSites(scopes, await ctx.shapes()).sites, settings);
    const facts: JsonObject[] = [];
    for (const [done, table] of tables.entries()) {
      ctx.onProgress({ stage: 'quantizing embeddings', done, total: tables.length, unit: 'tensors' });
      const how = await quantizer.quantize(table);
      const { valueName, tensor } = table.source;
      facts.push({ table: valueName, elements: elementCount(tensor.dims), how });
    }
    if (quantizer.usesContribOps) importContribOps(ctx.model);
    dropReplaced(scopes, quantizer.replaced);
    quantizer.adviseKept();
    ctx.leave({ tables: facts });
  },
});
