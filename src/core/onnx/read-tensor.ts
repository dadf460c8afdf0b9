/** TensorProto and SparseTensorProto. Payloads above 4 KiB are noted and passed over, not read. */
import type { ByteRange, ByteSource } from '../base/bytes.ts';
import { StudioError } from '../base/errors/index.ts';
import { type DType, dtypeFromOnnx } from '../ir/dtype.ts';
import type { ExternalLocation, SparseTensor, Tensor, TensorData, TypedDataField } from '../ir/types.ts';
import { type ReadContext, smallPayloadBytes } from './context.ts';
import { headerBytes, type Reading } from './cursor.ts';
import { checkLocation, externalRange, parseExternal } from './external.ts';
import { readBytes, readDocText, readEntry, readOptionalText, readVarints, varintValue } from './read-fields.ts';
import { assembleData, payloadBytes, type StoredData, TypedSegments } from './tensor-payload.ts';
import { UnknownFields } from './wire.ts';
import { externalForms, externalOrigins } from './wire-form.ts';

const typedFields: Record<number, TypedDataField> = {
  4: 'float_data',
  5: 'int32_data',
  7: 'int64_data',
  10: 'double_data',
  11: 'uint64_data',
};

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What a TensorProto says, before the parts are checked against each other. */
interface TensorParts extends StoredData {
  name: string;
  onnxType: number;
  docString: string;
  isExternal: boolean;
  externalData: Map<string, string> | undefined;
  metadataProps: Map<string, string> | undefined;
  readonly unknown: UnknownFields;
}

export function* readTensor(context: ReadContext, end: number): Reading<Tensor> {
  const start = context.cursor.position;
  const parts = yield* readParts(context, end);
  const dtype = dtypeFromOnnx(parts.onnxType);
  if (!dtype)
    throw context.cursor.malformed(
      `tensor "${parts.name}" has data type ${parts.onnxType}, which ONNX does not define`,
      start,
    );
  const external = parts.isExternal ? parseExternalOf(context, parts) : undefined;
  const expected = payloadBytes(parts.name, dtype, parts.dims);
  const data = external
    ? yield* externalData(context, parts, external, dtype, expected)
    : yield* assembleData(context, parts, dtype, expected);
  const tensor: Mutable<Tensor> = { name: parts.name, dtype, dims: parts.dims, data };
  if (parts.docString !== '') tensor.docString = parts.docString;
  if (external) tensor.external = external;
  if (parts.metadataProps) tensor.metadataProps = parts.metadataProps;
  return parts.unknown.attachTo(tensor);
}

/** Fields whose values may be too large to load: typed data and raw_data. */
const payloadFields = new Set([4, 5, 7, 9, 10, 11]);

function* readParts(context: ReadContext, end: number): Reading<TensorParts> {
  const { cursor } = context;
  const unknown = new UnknownFields();
  const parts: TensorParts = {
    name: '',
    dims: [],
    onnxType: 0,
    raw: undefined,
    typed: undefined,
    strings: undefined,
    docString: '',
    isExternal: false,
    externalData: undefined,
    metadataProps: undefined,
    unknown,
  };
  while (cursor.position < end) {
    if (cursor.lacks(headerBytes)) yield* cursor.load(headerBytes);
    const tagOffset = cursor.position;
    const tag = cursor.tag(end);
    const field = tag >>> 3;
    if (!payloadFields.has(field) && cursor.lacksValue(tag)) yield* cursor.loadValue(end);
    switch (field) {
      case 1:
        readVarints(cursor, tag, end, 'dims', parts.dims, ({ signed }) => signed);
        break;
      case 2:
        parts.onnxType = varintValue(cursor, tag, end, 'data_type');
        if (parts.onnxType === 0) unknown.addZero(2);
        break;
      case 4:
      case 5:
      case 7:
      case 10:
      case 11:
        parts.typed ??= new TypedSegments(typedFields[field]!);
        yield* parts.typed.read(cursor, tag, end, typedFields[field]!);
        break;
      case 6:
        parts.strings ??= [];
        parts.strings.push(readBytes(cursor, tag, end, 'string_data'));
        break;
      case 8:
        parts.name = readOptionalText(cursor, tag, end, 'name', unknown);
        break;
      case 9: {
        const byteLength = cursor.length(tag, end, 'raw_data');
        parts.raw = { source: cursor.source, offset: cursor.position, byteLength };
        if (byteLength <= smallPayloadBytes) {
          if (cursor.lacks(byteLength)) yield* cursor.load(byteLength);
          parts.rawBytes = cursor.copy(byteLength);
        } else cursor.skip(byteLength);
        break;
      }
      case 12:
        parts.docString = readDocText(cursor, tag, end, 'doc_string', unknown);
        break;
      case 13:
        parts.externalData ??= new Map();
        readEntry(cursor, tag, end, 'external_data', parts.externalData, unknown);
        break;
      case 14: {
        const location = varintValue(cursor, tag, end, 'data_location');
        if (location !== 0 && location !== 1) throw cursor.malformed(`data_location is ${location}, neither 0 nor 1`);
        parts.isExternal = location === 1;
        if (!parts.isExternal) unknown.addZero(14);
        break;
      }
      case 16:
        parts.metadataProps ??= new Map();
        readEntry(cursor, tag, end, 'metadata_props', parts.metadataProps, unknown);
        break;
      default:
        unknown.add(yield* cursor.takeField(tag, tagOffset, end));
    }
  }
  return parts;
}

function parseExternalOf(context: ReadContext, parts: TensorParts): ExternalLocation {
  const entries = parts.externalData ?? new Map<string, string>();
  const { location, spelled } = parseExternal(entries, (reason) => context.cursor.malformed(reason));
  if (spelled) externalForms.set(location, spelled);
  checkLocation(parts.name, location.location);
  return location;
}

function* externalData(
  context: ReadContext,
  parts: TensorParts,
  external: ExternalLocation,
  dtype: DType,
  expected: number,
): Reading<TensorData> {
  const tensor = parts.name;
  if (dtype === 'string') throw context.cursor.malformed(`string tensor "${tensor}" is stored as external data`);
  if (external.length !== undefined && external.length !== expected)
    throw new StudioError('model/data-mismatch', {
      tensor,
      dtype,
      dims: parts.dims.join(', '),
      expected,
      actual: external.length,
    });
  const source = (yield { kind: 'external', location: external.location }) as ByteSource | undefined;
  if (!source) {
    context.missing.push({ tensor, location: external.location });
    return { kind: 'bytes', bytes: new Uint8Array(0) };
  }
  const range = externalRange(tensor, source, external.offset, expected);
  const data = expected > smallPayloadBytes ? ({ kind: 'range', range } as const) : copyLater(context, range);
  externalOrigins.set(data, external);
  return data;
}

/** Many small reads one after another would take long; so they are done together once the structure is known. */
function copyLater(context: ReadContext, range: ByteRange): TensorData {
  const target = new Uint8Array(range.byteLength);
  context.pendingCopies.push({ range, target });
  return { kind: 'bytes', bytes: target };
}

export function* readSparseTensor(context: ReadContext, end: number): Reading<SparseTensor> {
  const { cursor } = context;
  const unknown = new UnknownFields();
  const dims: number[] = [];
  let values: Tensor | undefined;
  let indices: Tensor | undefined;
  while (cursor.position < end) {
    if (cursor.lacks(headerBytes)) yield* cursor.load(headerBytes);
    const tagOffset = cursor.position;
    const tag = cursor.tag(end);
    if (tag >>> 3 > 2 && cursor.lacksValue(tag)) yield* cursor.loadValue(end);
    switch (tag >>> 3) {
      case 1:
        values = yield* readTensor(context, cursor.begin(tag, end, 'values'));
        cursor.leave();
        break;
      case 2:
        indices = yield* readTensor(context, cursor.begin(tag, end, 'indices'));
        cursor.leave();
        break;
      case 3:
        readVarints(cursor, tag, end, 'dims', dims, ({ signed }) => signed);
        break;
      default:
        unknown.add(yield* cursor.takeField(tag, tagOffset, end));
    }
  }
  if (!values || !indices) throw cursor.malformed(`a sparse tensor has no ${values ? 'indices' : 'values'}`);
  payloadBytes(values.name, values.dtype, dims);
  return unknown.attachTo<Mutable<SparseTensor>>({ values, indices, dims });
}
