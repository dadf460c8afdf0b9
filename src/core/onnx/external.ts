/** External data of tensors (onnx/docs/ExternalData.md, ONNX 1.21). */
import type { ByteRange, ByteSource } from '../base/bytes.ts';
import { StudioError } from '../base/errors/index.ts';
import type { ExternalLocation } from '../ir/types.ts';

/**
 * Refuses locations that could lead out of the model's folder. A backslash or a drive letter is a path on Windows
 * wherever the file came from, and a scheme or a NUL has no business in a file name.
 * @throws StudioError model/unsafe-external
 */
export function checkLocation(tensor: string, location: string): void {
  const parts = location.split('/');
  const unsafe =
    location === '' ||
    location.startsWith('/') ||
    location.includes('\\') ||
    location.includes('\0') ||
    /^[a-z][a-z0-9+.-]*:/i.test(location) ||
    parts.includes('..');
  if (unsafe) throw new StudioError('model/unsafe-external', { tensor, location });
}

export interface ExternalEntries {
  readonly location: ExternalLocation;
  /** Set when the entries would be written another way than `location` says. */
  readonly spelled?: ReadonlyMap<string, string>;
}

/** @param refuse makes the error for an entry that is no number */
export function parseExternal(
  entries: ReadonlyMap<string, string>,
  refuse: (reason: string) => StudioError,
): ExternalEntries {
  const other = new Map(entries);
  for (const key of ['location', 'offset', 'length', 'checksum']) other.delete(key);
  const length = parseCount(entries, 'length', refuse);
  const checksum = entries.get('checksum');
  const location: ExternalLocation = {
    location: entries.get('location') ?? '',
    offset: parseCount(entries, 'offset', refuse) ?? 0,
    ...(length === undefined ? {} : { length }),
    ...(checksum === undefined ? {} : { checksum }),
    ...(other.size === 0 ? {} : { other }),
  };
  const usual = [...externalEntries(location)].join('\n');
  return usual === [...entries].join('\n') ? { location } : { location, spelled: entries };
}

function parseCount(
  entries: ReadonlyMap<string, string>,
  key: string,
  refuse: (reason: string) => StudioError,
): number | undefined {
  const text = entries.get(key);
  if (text === undefined) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value))
    throw refuse(`external_data has ${key} "${text.slice(0, 40)}", which is no byte count`);
  return value;
}

/** The entries in the usual order: location, offset, length, checksum, the rest. */
export function externalEntries(external: ExternalLocation): Map<string, string> {
  const entries = new Map([
    ['location', external.location],
    ['offset', `${external.offset}`],
  ]);
  if (external.length !== undefined) entries.set('length', `${external.length}`);
  if (external.checksum !== undefined) entries.set('checksum', external.checksum);
  for (const [key, value] of external.other ?? []) entries.set(key, value);
  return entries;
}

/** @throws StudioError file/truncated when the data would lie beyond the end of its file */
export function externalRange(tensor: string, source: ByteSource, offset: number, byteLength: number): ByteRange {
  if (offset + byteLength > source.byteLength)
    throw new StudioError('file/truncated', {
      name: source.name,
      what: `tensor "${tensor}"`,
      offset,
      needed: byteLength,
      available: Math.max(0, source.byteLength - offset),
    });
  return { source, offset, byteLength };
}
