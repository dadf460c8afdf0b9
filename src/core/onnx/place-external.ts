import type { BytePart } from '../base/bytes.ts';
import { readTensorBytes, tensorByteLength } from '../ir/tensor.ts';
import type { ExternalLocation, Model, Tensor } from '../ir/types.ts';
import { forEachWeight } from '../ir/walk.ts';

/** Large payloads start on a page, so that a runtime may map them (onnx.proto at external_data: "offset ... 4096"). */
const pageBytes = 4096;
const pageAlignedFromBytes = 64 * 1024;
const smallAlignmentBytes = 64;

export interface ExternalDataOptions {
  /** The name of the data file, relative to the model's folder. */
  readonly location: string;
  /** Weights of at least this size go there; onnx's own tools use 1024. */
  readonly thresholdBytes: number;
  /**
   * Weights of subgraphs and functions stay inline: onnxruntime-web 1.30 cannot resolve external data there ("external
   * data path could not be canonicalized").
   */
  readonly mainGraphOnly?: boolean;
}

export interface ExternalPlan {
  readonly places: ReadonlyMap<Tensor, ExternalLocation>;
  /** The content of the data file, padding included. */
  readonly parts: BytePart[];
}

/** Lays out the weights of a model in one data file, in model order. A tensor that is used twice is stored once. */
export async function placeExternally(
  model: Model,
  { location, thresholdBytes, mainGraphOnly = false }: ExternalDataOptions,
): Promise<ExternalPlan> {
  const chosen = new Set<Tensor>();
  const kept = new Set<Tensor>();
  forEachWeight(model, (tensor, { graph }) => {
    const byteLength = tensorByteLength(tensor);
    if (mainGraphOnly && graph !== model.graph) kept.add(tensor);
    else if (tensor.data.kind !== 'strings' && byteLength > 0 && byteLength >= thresholdBytes) chosen.add(tensor);
  });
  // A tensor that a subgraph shares with the main graph is one object: it has one place.
  for (const tensor of kept) chosen.delete(tensor);
  const places = new Map<Tensor, ExternalLocation>();
  const parts: BytePart[] = [];
  let offset = 0;
  for (const tensor of chosen) {
    const payload = await payloadPart(tensor);
    const alignment = payload.byteLength >= pageAlignedFromBytes ? pageBytes : smallAlignmentBytes;
    const padding = (alignment - (offset % alignment)) % alignment;
    if (padding > 0) parts.push(new Uint8Array(padding));
    offset += padding;
    places.set(tensor, { location, offset, length: payload.byteLength });
    parts.push(payload);
    offset += payload.byteLength;
  }
  return { places, parts };
}

/** Only typed fields of varints are loaded, because external data has raw_data layout. */
async function payloadPart(tensor: Tensor): Promise<BytePart> {
  return tensor.data.kind === 'range' ? tensor.data.range : readTensorBytes(tensor);
}
