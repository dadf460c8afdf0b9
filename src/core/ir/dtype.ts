/**
 * Element types of ONNX tensors (onnx.proto TensorProto.DataType, ONNX 1.21 / IR 13), by the names that Whittle uses
 * in code, recipes and reports.
 */
export const dtypeInfo = {
  undefined: { onnx: 0, bits: 0 },
  float32: { onnx: 1, bits: 32 },
  uint8: { onnx: 2, bits: 8 },
  int8: { onnx: 3, bits: 8 },
  uint16: { onnx: 4, bits: 16 },
  int16: { onnx: 5, bits: 16 },
  int32: { onnx: 6, bits: 32 },
  int64: { onnx: 7, bits: 64 },
  string: { onnx: 8, bits: 0 },
  bool: { onnx: 9, bits: 8 },
  float16: { onnx: 10, bits: 16 },
  float64: { onnx: 11, bits: 64 },
  uint32: { onnx: 12, bits: 32 },
  uint64: { onnx: 13, bits: 64 },
  complex64: { onnx: 14, bits: 64 },
  complex128: { onnx: 15, bits: 128 },
  bfloat16: { onnx: 16, bits: 16 },
  float8e4m3fn: { onnx: 17, bits: 8 },
  float8e4m3fnuz: { onnx: 18, bits: 8 },
  float8e5m2: { onnx: 19, bits: 8 },
  float8e5m2fnuz: { onnx: 20, bits: 8 },
  uint4: { onnx: 21, bits: 4 },
  int4: { onnx: 22, bits: 4 },
  float4e2m1: { onnx: 23, bits: 4 },
  float8e8m0: { onnx: 24, bits: 8 },
  uint2: { onnx: 25, bits: 2 },
  int2: { onnx: 26, bits: 2 },
} as const satisfies Record<string, { onnx: number; bits: number }>;

export type DType = keyof typeof dtypeInfo;

const byNumber = new Map<number, DType>(
  (Object.keys(dtypeInfo) as DType[]).map((name) => [dtypeInfo[name].onnx, name]),
);

export function dtypeFromOnnx(onnx: number): DType | undefined {
  return byNumber.get(onnx);
}

/** Bytes of `count` elements in raw_data layout: types under 8 bits are packed, low bits first, the last byte padded. */
export function byteLengthOf(dtype: DType, count: number): number {
  return Math.ceil((count * dtypeInfo[dtype].bits) / 8);
}
