/** What onnxruntime makes of a model before it runs it. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { memorySource } from '../../../../../src/core/base/memory-source.ts';
import type { Model } from '../../../../../src/core/ir/types.ts';
import { readModel } from '../../../../../src/core/onnx/read.ts';
import { modelToBytes } from '../../../../../src/core/onnx/write.ts';
import { countOps } from './bench.ts';

export async function optimizedModel(model: Model, level: 'extended' | 'all' = 'extended'): Promise<Model> {
  const folder = await mkdtemp(join(tmpdir(), 'qdq-'));
  try {
    const path = join(folder, 'optimized.onnx');
    const session = await ort.InferenceSession.create(await modelToBytes(model), {
      graphOptimizationLevel: level,
      optimizedModelFilePath: path,
      logSeverityLevel: 4,
      intraOpNumThreads: 1,
    });
    await session.release();
    return await readModel(memorySource('optimized', new Uint8Array(await readFile(path))));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Operators that are left when the runtime has optimized the model for itself. */
export const optimizedOps = async (model: Model): Promise<Record<string, number>> =>
  countOps(await optimizedModel(model));
