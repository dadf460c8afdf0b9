/** TensorProto and SparseTensorProto. */
import type { BytePart } from '../base/bytes.ts';
import { dtypeInfo } from '../ir/dtype.ts';
import type { ExternalLocation, SparseTensor, Tensor, TypedDataField } from '../ir/types.ts';
import { externalEntries } from './external.ts';
import type { ReverseWriter } from './reverse-writer.ts';
import { dataForms, externalForms } from './wire-form.ts';

const fieldNumbers: Record<TypedDataField, number> = {
  float_data: 4,
  int32_data: 5,
  int64_data: 7,
  double_data: 10,
  uint64_data: 11,
};

/** Where the payload of a tensor goes: undefined means into the tensor itself. */
export type PlaceOf = (tensor: Tensor) => ExternalLocation | undefined;

export function writeTensor(writer: ReverseWriter, tensor: Tensor, placeOf: PlaceOf): void {
  const external = placeOf(tensor);
  writer.entries(16, tensor.metadataProps);
  if (external) {
    writer.varintField(14, 1);
    writer.entries(13, externalForms.get(external) ?? externalEntries(external));
  }
  writer.optionalText(12, tensor.docString);
  if (!external) writePayload(writer, tensor);
  writer.optionalText(8, tensor.name);
  if (tensor.dtype !== 'undefined') writer.varintField(2, dtypeInfo[tensor.dtype].onnx);
  for (const dim of tensor.dims.toReversed()) writer.varintField(1, dim);
  if (tensor.unknown) writer.bytes(tensor.unknown);
}

function writePayload(writer: ReverseWriter, tensor: Tensor): void {
  const { data } = tensor;
  const form = dataForms.get(data);
  if (form && form.dtype === tensor.dtype) {
    writeTypedField(writer, form.field, form.payloads);
    return;
  }
  switch (data.kind) {
    case 'bytes':
      writer.partField(9, data.bytes);
      return;
    case 'range':
      writer.partField(9, data.range);
      return;
    case 'typed-field':
      writeTypedField(writer, data.field, data.payloads);
      return;
    case 'strings':
      for (const value of data.values.toReversed()) writer.partField(6, value);
  }
}

function writeTypedField(
  writer: ReverseWriter,
  field: TypedDataField | undefined,
  payloads: readonly BytePart[],
): void {
  if (field === undefined) return;
  for (const payload of payloads.toReversed()) writer.partField(fieldNumbers[field], payload);
}

export function writeSparseTensor(writer: ReverseWriter, sparse: SparseTensor, placeOf: PlaceOf): void {
  for (const dim of sparse.dims.toReversed()) writer.varintField(3, dim);
  writer.message(2, () => writeTensor(writer, sparse.indices, placeOf));
  writer.message(1, () => writeTensor(writer, sparse.values, placeOf));
  if (sparse.unknown) writer.bytes(sparse.unknown);
}
