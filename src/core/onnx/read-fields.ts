/** Readers of the small things that all messages are made of. */

import { type Cursor, headerBytes, type Reading } from './cursor.ts';
import { decodeUtf8 } from './text.ts';
import { encodeBytesField, type UnknownFields, wire } from './wire.ts';

/** Text that identifies something. @throws StudioError model/malformed when it is no UTF-8 */
export function* readText(cursor: Cursor, tag: number, end: number, field: string): Reading<string> {
  const length = cursor.length(tag, end, field);
  if (cursor.lacks(length)) yield* cursor.load(length);
  return decodeText(cursor, length, field);
}

/** The same where the bytes are known to be in the window. */
export function textNow(cursor: Cursor, tag: number, end: number, field: string): string {
  return decodeText(cursor, cursor.length(tag, end, field), field);
}

function decodeText(cursor: Cursor, length: number, field: string): string {
  const offset = cursor.position;
  const text = decodeUtf8(cursor.view(length));
  if (text === undefined) throw cursor.malformed(`field ${field} is no UTF-8 text`, offset);
  return text;
}

/** A name for which the empty string means "none": set to empty, it is remembered in `unknown`. */
export function* readOptionalText(
  cursor: Cursor,
  tag: number,
  end: number,
  field: string,
  unknown: UnknownFields,
): Reading<string> {
  const text = yield* readText(cursor, tag, end, field);
  if (text === '') unknown.addEmptyBytes(tag >>> 3);
  return text;
}

/** Documentation: exporters put anything there, so bytes that are no UTF-8 are kept as they are, out of sight. */
export function* readDocText(
  cursor: Cursor,
  tag: number,
  end: number,
  field: string,
  unknown: UnknownFields,
): Reading<string> {
  const bytes = yield* readBytes(cursor, tag, end, field);
  const text = decodeUtf8(bytes);
  if (text === undefined || text === '') unknown.add(encodeBytesField(tag >>> 3, bytes));
  return text ?? '';
}

/** A copy of the bytes of a field. */
export function* readBytes(cursor: Cursor, tag: number, end: number, field: string): Reading<Uint8Array> {
  const length = cursor.length(tag, end, field);
  if (cursor.lacks(length)) yield* cursor.load(length);
  return cursor.copy(length);
}

export function varintValue(cursor: Cursor, tag: number, end: number, field: string): number {
  cursor.expect(tag, wire.varint, field);
  cursor.varint(end);
  return cursor.signed;
}

/** Appends the values of a repeated varint field, packed or not. */
export function* readVarints<T>(
  cursor: Cursor,
  tag: number,
  end: number,
  field: string,
  out: T[],
  value: (cursor: Cursor) => T,
): Reading<void> {
  if ((tag & 7) === wire.varint) {
    cursor.varint(end);
    out.push(value(cursor));
    return;
  }
  const length = cursor.length(tag, end, field);
  if (cursor.lacks(length)) yield* cursor.load(length);
  const packedEnd = cursor.position + length;
  while (cursor.position < packedEnd) {
    cursor.varint(packedEnd);
    out.push(value(cursor));
  }
}

/** Appends the values of a repeated float field, packed or not. */
export function* readFloats(cursor: Cursor, tag: number, end: number, field: string, out: number[]): Reading<void> {
  if ((tag & 7) === wire.fixed32) {
    out.push(cursor.float32(end));
    return;
  }
  const length = cursor.length(tag, end, field);
  if (length % 4 !== 0) throw cursor.malformed(`field ${field} has ${length} bytes, no multiple of 4`);
  if (cursor.lacks(length)) yield* cursor.load(length);
  const packedEnd = cursor.position + length;
  while (cursor.position < packedEnd) out.push(cursor.float32(packedEnd));
}

/**
 * Reads a StringStringEntryProto into a map. An entry that the map cannot hold (a key that is there already, a part
 * missing, more fields) is kept as it is in `unknown`.
 */
export function* readEntry(
  cursor: Cursor,
  tag: number,
  end: number,
  field: string,
  into: Map<string, string>,
  unknown: UnknownFields,
): Reading<void> {
  const length = cursor.length(tag, end, field);
  if (cursor.lacks(length)) yield* cursor.load(length);
  const start = cursor.position;
  const entry = parseEntry(cursor, start + length);
  if (entry && !into.has(entry.key)) {
    into.set(entry.key, entry.value);
    return;
  }
  unknown.add(encodeBytesField(tag >>> 3, yield* cursor.copyRange(start, length)));
}

function parseEntry(cursor: Cursor, end: number): { key: string; value: string } | undefined {
  let key: string | undefined;
  let value: string | undefined;
  let plain = true;
  while (cursor.position < end) {
    const tag = cursor.tag(end);
    if (tag === 0x0a) key = textNow(cursor, tag, end, 'key');
    else if (tag === 0x12) value = textNow(cursor, tag, end, 'value');
    else {
      plain = false;
      cursor.skip(end - cursor.position);
    }
  }
  return plain && key !== undefined && value !== undefined ? { key, value } : undefined;
}

/** The next tag of a message, or 0 at its end. */
export function* nextTag(cursor: Cursor, end: number): Reading<number> {
  if (cursor.position >= end) return 0;
  if (cursor.lacks(headerBytes)) yield* cursor.load(headerBytes);
  return cursor.tag(end);
}
