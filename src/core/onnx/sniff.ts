import { decodeUtf8 } from './text.ts';

interface Magic {
  readonly offset: number;
  readonly bytes: string;
  readonly meaning: string;
}

/** First bytes of the files that people drop by mistake, as Latin-1 text. */
const magics: readonly Magic[] = [
  {
    offset: 0,
    bytes: 'PK\x03\x04',
    meaning: 'it is a ZIP archive (a PyTorch checkpoint or TorchScript file is one too)',
  },
  { offset: 0, bytes: 'GGUF', meaning: 'it is a GGUF file (llama.cpp)' },
  { offset: 4, bytes: 'TFL3', meaning: 'it is a TensorFlow Lite model' },
  { offset: 4, bytes: 'ORTM', meaning: 'it is a model in ORT format, which only ONNX Runtime itself can read' },
  { offset: 0, bytes: '\x89HDF\r\n', meaning: 'it is an HDF5 file (Keras saves models so)' },
  { offset: 0, bytes: '\x93NUMPY', meaning: 'it is a NumPy array' },
  { offset: 0, bytes: '\x80\x02', meaning: 'it is a Python pickle (an old PyTorch checkpoint)' },
  { offset: 0, bytes: '\x89PNG', meaning: 'it is a PNG image' },
  { offset: 0, bytes: '\xff\xd8\xff', meaning: 'it is a JPEG image' },
  { offset: 0, bytes: 'GIF8', meaning: 'it is a GIF image' },
  { offset: 0, bytes: 'RIFF', meaning: 'it is a RIFF file (WAV, WebP or AVI)' },
  { offset: 0, bytes: '%PDF', meaning: 'it is a PDF document' },
  { offset: 0, bytes: '\x1f\x8b', meaning: 'it is compressed with gzip' },
  { offset: 0, bytes: '\x28\xb5\x2f\xfd', meaning: 'it is compressed with zstd' },
  { offset: 0, bytes: '\xfd7zXZ', meaning: 'it is compressed with xz' },
  { offset: 0, bytes: '7z\xbc\xaf', meaning: 'it is a 7-Zip archive' },
  { offset: 257, bytes: 'ustar', meaning: 'it is a tar archive' },
  { offset: 0, bytes: '\x7fELF', meaning: 'it is a program (ELF)' },
];

/** What the first bytes of a file say it is, when that is clear and not ONNX. */
export function describeForeign(head: Uint8Array): string | undefined {
  if (head.length === 0) return 'it is empty';
  const found = magics.find(({ offset, bytes }) => latin1(head, offset, bytes.length) === bytes);
  if (found) return found.meaning;
  if (isSafetensors(head)) return 'it is a safetensors file (weights without a graph)';
  if (head.every((byte) => byte === 0)) return 'it begins with nothing but zero bytes';
  return describeText(head);
}

function latin1(bytes: Uint8Array, offset: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + length));
}

/** Eight bytes with the length of a JSON header, then the header. */
function isSafetensors(head: Uint8Array): boolean {
  return head.length > 10 && head[6] === 0 && head[7] === 0 && latin1(head, 8, 2) === '{"';
}

function describeText(head: Uint8Array): string | undefined {
  // The head may end inside a character; three bytes less never do any harm.
  const text = decodeUtf8(head) ?? decodeUtf8(head.subarray(0, Math.max(1, head.length - 1)));
  if (text === undefined || hasControlCharacters(text)) return undefined;
  const start = text.trimStart().toLowerCase();
  if (start.startsWith('version https://git-lfs'))
    return 'it is a Git LFS pointer; the model itself was not downloaded';
  if (start.startsWith('<!doctype') || start.startsWith('<html'))
    return 'it is an HTML page (often the answer to a download link)';
  if (start.startsWith('{') || start.startsWith('[')) return 'it is JSON text';
  if (start.startsWith('<')) return 'it is XML or other marked-up text';
  return 'it is text';
}

function hasControlCharacters(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code < 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d && code !== 0x0c) return true;
  }
  return false;
}
