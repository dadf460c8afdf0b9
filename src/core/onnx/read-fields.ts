/**
 * Readers of the small things that all messages are made of. They do not wait: the value must be in the window
 * (`if (cursor.lacksValue(tag)) yield* cursor.loadValue(end)`).
 */

import type { Cursor } from './cursor.ts';
import { decodeUtf8, encodeUtf8 } from './text.ts';
import { concatBytes, encodeBytesField, type UnknownFields, wire } from './wire.ts';

/** Text that identifies something. @throws StudioError model/malformed when it is no UTF-8 */
export function readText(cursor: Cursor, tag: number, end: number, field: string): string {
  const length = cursor.length(tag, end, field);
  const offset = cursor.position;
  const text = cursor.text(length);
  if (text === undefined) throw cursor.malformed(`field ${field} is no UTF-8 text`, offset);
  return text;
}

/** A name for which the empty string means "none": set to empty, it is remembered in `unknown`. */
export function readOptionalText(
  cursor: Cursor,
  tag: number,
  end: number,
  field: string,
  unknown: UnknownFields,
): string {
  const text = readText(cursor, tag, end, field);
  if (text === '') unknown.addEmptyBytes(tag >>> 3);
  return text;
}

/** Documentation: exporters put anything there, so bytes that are no UTF-8 are kept as they are, out of sight. */
export function readDocText(cursor: Cursor, tag: number, end: number, field: string, unknown: UnknownFields): string {
  const bytes = readBytes(cursor, tag, end, field);
  const text = decodeUtf8(bytes);
  if (text === undefined || text === '') unknown.add(encodeBytesField(tag >>> 3, bytes));
  return text ?? '';
}

/** A copy of the bytes of a field. */
export function readBytes(cursor: Cursor, tag: number, end: number, field: string): Uint8Array {
  const length = cursor.length(tag, end, field);
  return cursor.copy(length);
}

export function varintValue(cursor: Cursor, tag: number, end: number, field: string): number {
  cursor.expect(tag, wire.varint, field);
  cursor.varint(end);
  return cursor.signed;
}

/** Appends the values of a repeated varint field, packed or not. */
export function readVarints<T>(
  cursor: Cursor,
  tag: number,
  end: number,
  field: string,
  out: T[],
  value: (cursor: Cursor) => T,
): void {
  if ((tag & 7) === wire.varint) {
    cursor.varint(end);
    out.push(value(cursor));
    return;
  }
  const length = cursor.length(tag, end, field);
  const packedEnd = cursor.position + length;
  while (cursor.position < packedEnd) {
    cursor.varint(packedEnd);
    out.push(value(cursor));
  }
}

/** Appends the values of a repeated float field, packed or not. */
export function readFloats(cursor: Cursor, tag: number, end: number, field: string, out: number[]): void {
  if ((tag & 7) === wire.fixed32) {
    out.push(cursor.float32(end));
    return;
  }
  const length = cursor.length(tag, end, field);
  if (length % 4 !== 0) throw cursor.malformed(`field ${field} has ${length} bytes, no multiple of 4`);
  const packedEnd = cursor.position + length;
  while (cursor.position < packedEnd) out.push(cursor.float32(packedEnd));
}

/**
 * Reads a StringStringEntryProto into a map. What a map cannot hold goes to `unknown`, as it stood: an entry with a part
 * missing or with more fields, and all but the last of those with the same key.
 */
export function readEntry(
  cursor: Cursor,
  tag: number,
  end: number,
  field: string,
  into: Map<string, string>,
  unknown: UnknownFields,
): void {
  const length = cursor.length(tag, end, field);
  const start = cursor.position;
  const entry = parseEntry(cursor, start + length);
  if (!entry) {
    cursor.skip(start - cursor.position);
    unknown.add(encodeBytesField(tag >>> 3, cursor.view(length)));
    return;
  }
  const earlier = into.get(entry.key);
  if (earlier !== undefined) {
    unknown.add(encodeBytesField(tag >>> 3, encodeEntry(entry.key, earlier)));
    into.delete(entry.key);
  }
  into.set(entry.key, entry.value);
}

function encodeEntry(key: string, value: string): Uint8Array {
  return concatBytes([encodeBytesField(1, encodeUtf8(key)), encodeBytesField(2, encodeUtf8(value))]);
}

function parseEntry(cursor: Cursor, end: number): { key: string; value: string } | undefined {
  let key: string | undefined;
  let value: string | undefined;
  let plain = true;
  while (cursor.position < end) {
    const tag = cursor.tag(end);
    if (tag === 0x0a) key = readText(cursor, tag, end, 'key');
    else if (tag === 0x12) value = readText(cursor, tag, end, 'value');
    else {
      plain = false;
      cursor.skip(end - cursor.position);
    }
  }
  return plain && key !== undefined && value !== undefined ? { key, value } : undefined;
}
