/** ValueInfoProto and the types inside it. */
import { dtypeInfo } from '../ir/dtype.ts';
import type { Dim, ValueInfo, ValueType } from '../ir/types.ts';
import type { ReverseWriter } from './reverse-writer.ts';
import { typeForms } from './wire-form.ts';

export function writeValueInfo(writer: ReverseWriter, info: ValueInfo): void {
  const { type } = info;
  writer.entries(4, info.metadataProps);
  writer.optionalText(3, info.docString);
  if (type) writer.message(2, () => writeType(writer, type));
  writer.optionalText(1, info.name);
  if (info.unknown) writer.bytes(info.unknown);
}

function writeType(writer: ReverseWriter, type: ValueType): void {
  if (type.kind === 'other') {
    writer.bytes(type.proto);
    return;
  }
  const form = typeForms.get(type);
  if (form) {
    writer.bytes(form);
    return;
  }
  if (type.denotation !== undefined) writer.textField(6, type.denotation);
  writer.message(type.kind === 'tensor' ? 1 : 8, () => {
    const { shape } = type;
    if (shape) writer.message(2, () => writeShape(writer, shape));
    writer.varintField(1, dtypeInfo[type.dtype].onnx);
  });
}

function writeShape(writer: ReverseWriter, shape: readonly Dim[]): void {
  for (const dim of shape.toReversed())
    writer.message(1, () => {
      if (typeof dim === 'number') writer.bigVarintField(1, BigInt(dim));
      else if (dim !== null) writer.textField(2, dim);
    });
}
