/** The protobuf wire format (protobuf.dev/programming-guides/encoding, 2026): what both the reader and the writer need. */

export const wire = { varint: 0, fixed64: 1, bytes: 2, groupStart: 3, groupEnd: 4, fixed32: 5 } as const;

const wireNames = ['varint', 'fixed64', 'length-delimited', 'group start', 'group end', 'fixed32'];

export function wireName(wireType: number): string {
  return `${wireType} (${wireNames[wireType] ?? 'undefined'})`;
}

/** A varint of up to 53 bits. */
export function encodeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

/** The bytes of a length-delimited field. */
export function encodeBytesField(field: number, payload: Uint8Array): Uint8Array {
  return concatBytes([encodeVarint(field * 8 + wire.bytes), encodeVarint(payload.byteLength), payload]);
}

/** The bytes of a varint field. */
export function encodeVarintField(field: number, value: number): Uint8Array {
  return concatBytes([encodeVarint(field * 8 + wire.varint), encodeVarint(value)]);
}

export function concatBytes(pieces: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.byteLength;
  }
  return out;
}

/**
 * Fields of a message that the in-memory form has no place for, in file order: those this version does not know, and
 * those set to their default value, because proto2 tells "set to nothing" from "not set". Written back before all other
 * fields, so that a value given later wins.
 */
export class UnknownFields {
  #pieces: Uint8Array[] | undefined;

  add(field: Uint8Array): void {
    this.#pieces ??= [];
    this.#pieces.push(field);
  }

  addEmptyBytes(field: number): void {
    this.add(encodeBytesField(field, new Uint8Array(0)));
  }

  addZero(field: number): void {
    this.add(encodeVarintField(field, 0));
  }

  /** All of them as one run of bytes; undefined when there are none. */
  get bytes(): Uint8Array | undefined {
    return this.#pieces && concatBytes(this.#pieces);
  }

  /** Returns the message with `unknown` set, if there is anything to set. */
  attachTo<T extends { unknown?: Uint8Array }>(message: T): T {
    if (this.#pieces) message.unknown = concatBytes(this.#pieces);
    return message;
  }
}
