/** Protobuf bytes by hand, for files that no writer would write. */

export function varint(value: bigint | number): number[] {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return [...bytes, Number(rest)];
}

export const tag = (field: number, wireType: number): number[] => varint(field * 8 + wireType);
export const int = (field: number, value: bigint | number): number[] => [...tag(field, 0), ...varint(value)];
export const bytes = (field: number, content: readonly number[]): number[] => [
  ...tag(field, 2),
  ...varint(content.length),
  ...content,
];
export const text = (field: number, value: string): number[] => bytes(field, [...new TextEncoder().encode(value)]);

/** TensorProto. */
export const tensor = (
  name: string,
  dtype: number,
  dims: readonly (bigint | number)[],
  ...rest: number[][]
): number[] => [...dims.flatMap((dim) => int(1, dim)), ...int(2, dtype), ...text(8, name), ...rest.flat()];
/** A ModelProto around the content of a GraphProto. */
export const model = (...graph: number[][]): Uint8Array =>
  Uint8Array.from([...int(1, 8), ...bytes(7, graph.flat()), ...bytes(8, int(2, 17))]);
