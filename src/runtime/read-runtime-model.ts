/** A model as a runtime takes it, read back: structure only, weights stay where they are. */
import type { ByteSource } from '../core/base/bytes.ts';
import { memorySource } from '../core/base/memory-source.ts';
import type { Model } from '../core/ir/types.ts';
import { readModel } from '../core/onnx/read.ts';
import type { RuntimeModel } from './port.ts';
import { BlobSource } from './transform/blob-source.ts';

/** @throws StudioError as `readModel` does */
export function readRuntimeModel({ graph, externalData }: RuntimeModel): Promise<Model> {
  const sources = new Map(externalData.map(({ path, data }) => [path, sourceOf(path, data)]));
  return readModel(memorySource('the model', graph), { resolveExternal: (location) => sources.get(location) });
}

const sourceOf = (path: string, data: Uint8Array | Blob): ByteSource =>
  data instanceof Uint8Array ? memorySource(path, data) : new BlobSource(path, data);
