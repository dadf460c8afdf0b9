/** Single TensorProto files (`.pb`), as ONNX test data sets have them. */
import { concatParts } from '../base/byte-parts.ts';
import type { ByteSource } from '../base/bytes.ts';
import { StudioError } from '../base/errors/index.ts';
import type { Tensor } from '../ir/types.ts';
import type { ReadContext } from './context.ts';
import { Cursor } from './cursor.ts';
import { type DriveOptions, drive } from './drive.ts';
import { copySmallPayloads, reportMissing } from './read.ts';
import { readTensor } from './read-tensor.ts';
import { ReverseWriter } from './reverse-writer.ts';
import { writeTensor } from './write-tensor.ts';

/**
 * @throws StudioError model/malformed, model/bad-dims, model/data-mismatch, file/truncated, model/missing-external,
 *   model/unsafe-external
 */
export async function readTensorProto(source: ByteSource, options: DriveOptions = {}): Promise<Tensor> {
  const context: ReadContext = { cursor: new Cursor(source), graphDepth: 0, missing: [], pendingCopies: [] };
  const tensor = await drive(source, readTensor(context, source.byteLength), options);
  reportMissing(context);
  await copySmallPayloads(context);
  if (tensor.dtype === 'undefined')
    throw new StudioError('model/malformed', {
      offset: 0,
      path: source.name,
      reason: 'a TensorProto has no data type',
    });
  return tensor;
}

/** The tensor as a TensorProto, data inline. */
export async function tensorProtoBytes(tensor: Tensor): Promise<Uint8Array<ArrayBuffer>> {
  const writer = new ReverseWriter();
  writeTensor(writer, tensor, () => undefined);
  return concatParts(writer.finish());
}
