import type { ByteSource } from '../base/bytes.ts';
import { StudioError } from '../base/errors/index.ts';
import type { Model } from '../ir/types.ts';
import type { ReadContext } from './context.ts';
import { Cursor } from './cursor.ts';
import { type DriveOptions, drive } from './drive.ts';
import { readExactly } from './read-exactly.ts';
import { type Plausibility, readModelMessage } from './read-model.ts';
import { describeForeign } from './sniff.ts';

export interface ReadModelOptions extends DriveOptions {
  /**
   * Gives the file at a location beside the model, for tensors with external data. Locations that could lead out of the
   * model's folder are refused before this is asked. Asked once for each location.
   */
  readonly resolveExternal?: (location: string) => ByteSource | undefined | Promise<ByteSource | undefined>;
}

/**
 * Reads the structure of an ONNX file (onnx.proto of ONNX 1.21, IR 13). Payloads above 4 KiB stay where they are, as
 * ranges of `source`; how long it takes and how much memory depends on the graph and not on the weights.
 * @throws StudioError file/not-onnx, file/truncated, file/unreadable, model/malformed, model/bad-dims,
 *   model/data-mismatch, model/duplicate-value, model/too-deep, model/missing-external (`data.locations` has all that
 *   are missing), model/unsafe-external, job/cancelled
 */
export async function readModel(source: ByteSource, options: ReadModelOptions = {}): Promise<Model> {
  const head = await readExactly(source, 0, Math.min(512, source.byteLength));
  if (head.byteLength === 0) throw notOnnx(source, 'it is empty');
  const context: ReadContext = { cursor: new Cursor(source), graphDepth: 0, missing: [], pendingCopies: [] };
  const seen: Plausibility = { knownFields: 0, unknownFields: 0, graphBegun: false };
  let model: Model | undefined;
  try {
    model = await drive(source, readModelMessage(context, source.byteLength, seen), options);
  } catch (error) {
    throw explainFailure(source, head, seen, error);
  }
  if (!model) throw notOnnx(source, describeForeign(head) ?? withoutGraph(seen));
  reportMissing(context);
  await copySmallPayloads(context);
  return model;
}

/** Whether a failed parse means "a damaged ONNX file" or "another kind of file". */
function explainFailure(source: ByteSource, head: Uint8Array, seen: Plausibility, error: unknown): unknown {
  const isParseError =
    error instanceof StudioError && (error.code === 'model/malformed' || error.code === 'file/truncated');
  if (!isParseError) return error;
  const foreign = describeForeign(head);
  if (foreign) return notOnnx(source, foreign, error);
  const looksLikeModel = seen.graphBegun || (seen.knownFields > 0 && seen.unknownFields === 0);
  return looksLikeModel ? error : notOnnx(source, 'it does not begin with the fields of an ONNX ModelProto', error);
}

function withoutGraph(seen: Plausibility): string {
  return seen.knownFields > 0
    ? 'it is a protobuf message that has no graph'
    : 'it does not begin with the fields of an ONNX ModelProto';
}

function notOnnx(source: ByteSource, seen: string, cause?: unknown): StudioError {
  return new StudioError('file/not-onnx', { name: source.name, seen }, cause);
}

export function reportMissing({ missing }: ReadContext): void {
  const [first] = missing;
  if (!first) return;
  const locations = [...new Set(missing.map(({ location }) => location))];
  throw new StudioError('model/missing-external', {
    ...first,
    locations: locations.slice(0, 100),
    tensors: missing.length,
  });
}

const concurrentCopies = 16;

export async function copySmallPayloads({ pendingCopies }: ReadContext): Promise<void> {
  for (let i = 0; i < pendingCopies.length; i += concurrentCopies) {
    const batch = pendingCopies.slice(i, i + concurrentCopies);
    await Promise.all(
      batch.map(async ({ range, target }) => {
        target.set(await readExactly(range.source, range.offset, range.byteLength));
      }),
    );
  }
}
