import { concatParts, partsByteLength } from '../base/byte-parts.ts';
import type { BytePart } from '../base/bytes.ts';
import { StudioError } from '../base/errors/index.ts';
import type { ExternalLocation, Model, Tensor } from '../ir/types.ts';
import { checkLocation } from './external.ts';
import { type ExternalDataOptions, placeExternally } from './place-external.ts';
import { ReverseWriter } from './reverse-writer.ts';
import { externalOrigins } from './wire-form.ts';
import { writeFunction, writeGraph, writeOpsetImports } from './write-graph.ts';
import type { PlaceOf } from './write-tensor.ts';

/** protobuf's limit for one message (protobuf.dev/programming-guides/proto-limits). */
export const largestFileBytes = 2147483647;

export interface WriteModelOptions {
  /**
   * inline (the default): everything in one file, weights that were external included.
   * keep: weights that were external stay where they are, as the references say.
   * An object: weights from a size on go to one new data file.
   */
  readonly externalData?: 'inline' | 'keep' | ExternalDataOptions;
}

export interface WrittenModel {
  readonly graph: BytePart[];
  readonly graphByteLength: number;
  /** Empty unless a data file was asked for. */
  readonly external: BytePart[];
  readonly externalByteLength: number;
  readonly externalLocation?: string;
}

/**
 * Writes a ModelProto as a list of parts; payloads that lie in a file are handed through as ranges and not loaded. A
 * model that was read and not changed gives the same message again (`keep`), whatever the field order was.
 * @throws StudioError model/too-large-for-one-file, model/unsafe-external
 */
export async function writeModel(model: Model, options: WriteModelOptions = {}): Promise<WrittenModel> {
  const { externalData = 'inline' } = options;
  if (typeof externalData === 'string') {
    const graph = writeParts(model, externalData === 'keep' ? unchangedPlace : () => undefined);
    return { graph, graphByteLength: partsByteLength(graph), external: [], externalByteLength: 0 };
  }
  checkLocation('', externalData.location);
  const { places, parts: external } = await placeExternally(model, externalData);
  const graph = writeParts(model, (tensor) => places.get(tensor));
  return {
    graph,
    graphByteLength: partsByteLength(graph),
    external,
    externalByteLength: partsByteLength(external),
    externalLocation: externalData.location,
  };
}

/** The model as one array, everything inline. */
export async function modelToBytes(model: Model): Promise<Uint8Array<ArrayBuffer>> {
  return concatParts((await writeModel(model)).graph);
}

function unchangedPlace({ external, data }: Tensor): ExternalLocation | undefined {
  return external && externalOrigins.get(data) === external ? external : undefined;
}

function writeParts(model: Model, placeOf: PlaceOf): BytePart[] {
  const writer = new ReverseWriter();
  for (const definition of model.functions.toReversed())
    writer.message(25, () => writeFunction(writer, definition, placeOf));
  for (const training of model.trainingInfo.toReversed()) writer.partField(20, training);
  writer.entries(14, model.metadataProps);
  writeOpsetImports(writer, 8, model);
  writer.message(7, () => writeGraph(writer, model.graph, placeOf));
  writer.optionalText(6, model.docString);
  if (model.modelVersion !== 0n) writer.bigVarintField(5, model.modelVersion);
  writer.optionalText(4, model.domain);
  writer.optionalText(3, model.producerVersion);
  writer.optionalText(2, model.producerName);
  if (model.irVersion !== 0) writer.varintField(1, model.irVersion);
  if (model.unknown) writer.bytes(model.unknown);
  if (writer.byteLength > largestFileBytes)
    throw new StudioError('model/too-large-for-one-file', { bytes: writer.byteLength });
  return writer.finish();
}
