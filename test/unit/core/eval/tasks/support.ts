/** Runs the real models, from the packages they come in, with onnxruntime-node. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-node';
import { loadTask } from '../../../../../src/core/eval/tasks/load-task.ts';
import type { Feeds, Runner, Task, TaskFiles } from '../../../../../src/core/eval/types.ts';
import type { DType } from '../../../../../src/core/ir/dtype.ts';
import { toTypedArray } from '../../../../../src/core/ir/tensor.ts';
import type { HostTensor } from '../../../../../src/core/step/define.ts';

const root = fileURLToPath(new URL('../../../../../', import.meta.url));
const samples = join(root, 'public/samples');

export const sampleFiles =
  (sample: string): TaskFiles =>
  async (name) =>
    new Uint8Array(await readFile(join(samples, sample, name)));

export const loadSampleTask = (id: string, sample: string): Promise<Task> =>
  loadTask({ kind: 'sample-task', id, assetBase: '' }, sampleFiles(sample));

/** Bytes of a file inside an installed package. */
export function packageFile(packageName: string, path: string): Promise<Buffer> {
  return readFile(join(root, 'node_modules', packageName, path));
}

export async function nodeRunner(model: Uint8Array): Promise<Runner> {
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  return {
    async run(feeds: Feeds) {
      const inputs: Record<string, ort.Tensor> = {};
      for (const [name, { dtype, dims, data }] of feeds)
        inputs[name] = new ort.Tensor(dtype as 'float32', toTypedArray(dtype, data.slice()) as Float32Array, dims);
      const outputs = new Map<string, HostTensor>();
      for (const [name, tensor] of Object.entries(await session.run(inputs))) {
        const values = tensor.data as Float32Array;
        const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
        outputs.set(name, { dtype: tensor.type as DType, dims: tensor.dims, data });
      }
      return outputs;
    },
  };
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
