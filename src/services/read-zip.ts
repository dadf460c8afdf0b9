/**
 * Reads zip files (PKWARE APPNOTE 6.3.10) by their central directory, without taking them into memory: stored and deflated
 * parts, ZIP64. Input is hostile: sizes are checked against the file's, what inflates to more than it declares is stopped,
 * and names that lead out of a folder are refused.
 */
import { StudioError } from '../core/base/errors/index.ts';

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
/** The end record, and the longest comment that may follow it. */
const END_BYTES = 22;
const MAX_COMMENT = 65_535;
const MAX_DIRECTORY_BYTES = 16_000_000;
const MAX_PARTS = 25_000;
const STORED = 0;
const DEFLATED = 8;
const UNKNOWN32 = 0xffff_ffff;

export interface ZipPart {
  readonly name: string;
  /** Uncompressed, as declared; `open` holds the contents to it. */
  readonly bytes: number;
  readonly open: () => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
}

interface Directory {
  readonly offset: number;
  readonly bytes: number;
  readonly parts: number;
}

/**
 * @returns parts by name; folders are left out
 * @throws StudioError project/not-a-zip, project/unsafe-name, project/too-large
 */
export async function readZip(file: Blob, fileName: string): Promise<Map<string, ZipPart>> {
  const fail = (reason: string) => new StudioError('project/not-a-zip', { name: fileName, reason });
  const directory = await findDirectory(file, fail);
  const limit = (what: string, actual: number, most: number) => {
    if (actual > most) throw new StudioError('project/too-large', { what, actual, limit: most });
  };
  limit('The number of parts of the zip file', directory.parts, MAX_PARTS);
  limit('The directory of the zip file, in bytes,', directory.bytes, MAX_DIRECTORY_BYTES);
  if (directory.offset + directory.bytes > file.size) throw fail('its directory lies outside of it');
  const view = await bytesAt(file, directory.offset, directory.bytes);
  const parts = new Map<string, ZipPart>();
  let at = 0;
  for (let index = 0; index < directory.parts; index += 1) {
    if (at + 46 > view.byteLength || view.getUint32(at, true) !== CENTRAL) throw fail('its directory is damaged');
    const nameBytes = view.getUint16(at + 28, true);
    const extraBytes = view.getUint16(at + 30, true);
    const next = at + 46 + nameBytes + extraBytes + view.getUint16(at + 32, true);
    if (next > view.byteLength) throw fail('its directory is damaged');
    const name = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at + 46, nameBytes));
    const sizes = partSizes(view, at, at + 46 + nameBytes, extraBytes);
    if (!sizes) throw fail('its directory is damaged');
    const { bytes, packedBytes, offset } = sizes;
    requireSafeName(name);
    const method = view.getUint16(at + 10, true);
    const isEncrypted = (view.getUint16(at + 8, true) & 1) !== 0;
    if (!name.endsWith('/')) {
      if (isEncrypted) throw fail(`${name} is encrypted`);
      if (method !== STORED && method !== DEFLATED) throw fail(`${name} is packed by a method other than deflate`);
      if (method === STORED && bytes !== packedBytes) throw fail(`the sizes of ${name} contradict each other`);
      if (offset + packedBytes > file.size) throw fail(`${name} lies outside of it`);
      if (parts.has(name)) throw new StudioError('project/unsafe-name', { part: name, reason: 'is there twice' });
      const open = () => openPart({ file, name, offset, bytes, packedBytes, isPacked: method === DEFLATED, fail });
      parts.set(name, { name, bytes, open });
    }
    at = next;
  }
  return parts;
}

async function bytesAt(file: Blob, offset: number, length: number): Promise<DataView<ArrayBuffer>> {
  return new DataView(await file.slice(offset, offset + length).arrayBuffer());
}

async function findDirectory(file: Blob, fail: (reason: string) => StudioError): Promise<Directory> {
  const tailAt = Math.max(0, file.size - END_BYTES - MAX_COMMENT);
  const tail = await bytesAt(file, tailAt, file.size - tailAt);
  let end = tail.byteLength - END_BYTES;
  while (end >= 0 && tail.getUint32(end, true) !== END) end -= 1;
  if (end < 0) throw fail('it has no directory at its end');
  const parts = tail.getUint16(end + 10, true);
  const bytes = tail.getUint32(end + 12, true);
  const offset = tail.getUint32(end + 16, true);
  if (parts !== 0xffff && bytes !== UNKNOWN32 && offset !== UNKNOWN32) return { parts, bytes, offset };
  const locatorAt = end - 20;
  if (locatorAt < 0 || tail.getUint32(locatorAt, true) !== LOCATOR64) return { parts, bytes, offset };
  const end64At = Number(tail.getBigUint64(locatorAt + 8, true));
  const end64 = end64At + 56 <= file.size ? await bytesAt(file, end64At, 56) : null;
  if (end64?.getUint32(0, true) !== END64) throw fail('its directory is damaged');
  return {
    parts: Number(end64.getBigUint64(32, true)),
    bytes: Number(end64.getBigUint64(40, true)),
    offset: Number(end64.getBigUint64(48, true)),
  };
}

/** Sizes and place of a part, with those that did not fit into 32 bits (extra field 1). @returns null when damaged */
function partSizes(view: DataView, at: number, extraAt: number, extraBytes: number) {
  const fields = [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)];
  for (let extra = extraAt; extra + 4 <= extraAt + extraBytes; ) {
    const length = view.getUint16(extra + 2, true);
    if (view.getUint16(extra, true) === 1) {
      let value = extra + 4;
      for (const [index, field] of fields.entries()) {
        if (field !== UNKNOWN32) continue;
        if (value + 8 > extra + 4 + length || value + 8 > view.byteLength) return null;
        fields[index] = Number(view.getBigUint64(value, true));
        value += 8;
      }
    }
    extra += 4 + length;
  }
  const [bytes, packedBytes, offset] = fields as [number, number, number];
  return [bytes, packedBytes, offset].every(Number.isSafeInteger) ? { bytes, packedBytes, offset } : null;
}

/** @throws StudioError project/unsafe-name */
export function requireSafeName(name: string): void {
  const refuse = (reason: string) => new StudioError('project/unsafe-name', { part: name.slice(0, 200), reason });
  if (name === '' || name.length > 1000) throw refuse('has no name, or one that is too long');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  if (/[\u0000-\u001f\\]/.test(name)) throw refuse('has characters that no path has');
  if (name.startsWith('/') || /^[a-z]:/i.test(name)) throw refuse('begins at the root of a disk');
  if (name.split('/').some((step) => step === '..' || step === '.')) throw refuse('leads out of its folder');
}

interface PartPlace {
  readonly file: Blob;
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
  readonly packedBytes: number;
  readonly isPacked: boolean;
  readonly fail: (reason: string) => StudioError;
}

async function openPart(place: PartPlace): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const { file, name, offset, bytes, packedBytes, isPacked, fail } = place;
  const header = await bytesAt(file, offset, 30);
  if (header.byteLength < 30 || header.getUint32(0, true) !== LOCAL) throw fail(`${name} is not where it should be`);
  const start = offset + 30 + header.getUint16(26, true) + header.getUint16(28, true);
  if (start + packedBytes > file.size) throw fail(`${name} lies outside of it`);
  const packed = file.slice(start, start + packedBytes).stream();
  const contents = isPacked ? packed.pipeThrough(new DecompressionStream('deflate-raw')) : packed;
  return contents.pipeThrough(exactly(bytes, name));
}

/** Stops what has more bytes than it declares as soon as it does, and says when some are missing. */
function exactly(bytes: number, part: string): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let seen = 0;
  const damaged = (reason: string) => new StudioError('project/damaged-part', { part, reason });
  return new TransformStream({
    transform(chunk, controller) {
      seen += chunk.length;
      if (seen > bytes) throw damaged(`it has more than the ${bytes} bytes that it declares`);
      controller.enqueue(chunk);
    },
    flush() {
      if (seen < bytes) throw damaged(`it has ${seen} of the ${bytes} bytes that it declares`);
    },
  });
}
