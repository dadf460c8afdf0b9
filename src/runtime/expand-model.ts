/**
 * The runtime setting "packed weights: expand when the model loads": the file stays as it is, the session gets the same
 * model with plain weights. Computed here and not by the runtime, whose own way (session.disable_quant_qdq) would take
 * the integer kernels from quantized activations too and knows no MatMulNBits.
 */
import type { BytePart } from '../core/base/bytes.ts';
import { StudioError } from '../core/base/errors/index.ts';
import type { JobContext } from '../core/base/progress.ts';
import { writeModel } from '../core/onnx/write.ts';
import { expandWeights } from '../core/quant/expand/expand-weights.ts';
import type { RuntimeModel } from './port.ts';
import { readRuntimeModel } from './read-runtime-model.ts';

const LOCATION = 'expanded-weights.bin';
/** As for the files of a variant: small constants stay where the runtime's shape inference finds them. */
const THRESHOLD_BYTES = 1024;

/** @returns the model itself where nothing in it is packed */
export async function expandModel(stored: RuntimeModel, job: JobContext): Promise<RuntimeModel> {
  const model = await readRuntimeModel(stored);
  const { nodes } = await expandWeights(model, job);
  if (nodes === 0) return stored;
  const { graph, external } = await writeModel(model, {
    externalData: { location: LOCATION, thresholdBytes: THRESHOLD_BYTES, mainGraphOnly: true },
  });
  return {
    graph: await joined(graph),
    externalData: external.length > 0 ? [{ path: LOCATION, data: await joined(external) }] : [],
  };
}

async function joined(parts: readonly BytePart[]): Promise<Uint8Array> {
  const sizes = parts.map((part) => part.byteLength);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(total);
  } catch (error) {
    const reason = `the expanded weights take ${total} bytes in one piece, which could not be had`;
    throw new StudioError('runtime/out-of-memory', { target: 'this device', reason }, error);
  }
  let at = 0;
  for (const [index, part] of parts.entries()) {
    bytes.set(part instanceof Uint8Array ? part : await part.source.read(part.offset, part.byteLength), at);
    at += sizes[index]!;
  }
  return bytes;
}
