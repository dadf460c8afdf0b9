import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ByteSource } from '../../../../src/core/base/bytes.ts';
import { memorySource } from '../../../../src/core/base/memory-source.ts';
import { intAttr, intsAttr } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import {
  bytesOf,
  readTensorBytes,
  readTensorFloats,
  smallInts,
  smallValues,
  tensorFromBytes,
  tensorFromNumbers,
} from '../../../../src/core/ir/tensor.ts';
import type { Model, Tensor } from '../../../../src/core/ir/types.ts';
import { implicitInputsOf, subgraphsOf } from '../../../../src/core/ir/walk.ts';
import { readModel } from '../../../../src/core/onnx/read.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';

/** As a Blob is: nothing without waiting. Notes what was read. */
function observed(bytes: Uint8Array): { source: ByteSource; reads: [number, number][] } {
  const reads: [number, number][] = [];
  const inner = memorySource('model.onnx', bytes);
  const read = (offset: number, length: number): Promise<Uint8Array> => {
    reads.push([offset, length]);
    return inner.read(offset, length);
  };
  return { source: { name: 'model.onnx', byteLength: bytes.length, read }, reads };
}

describe('a model with everything, made by the onnx package', () => {
  let folder = '';
  let model: Model;
  let weights: Map<string, Tensor>;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'whittle-read-'));
    const maker = fileURLToPath(new URL('make_exotic.py', import.meta.url));
    const env = { ...process.env, PATH: `/usr/bin:${process.env.PATH}` };
    const { status, stderr } = spawnSync('python3', [maker, folder], { encoding: 'utf8', env });
    if (status !== 0) throw new Error(`python3 with the onnx package is needed: ${stderr}`);
    model = await readModel(observed(readFileSync(join(folder, 'everything.onnx'))).source);
    weights = model.graph.initializers;
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('has the head', () => {
    expect(model).toMatchObject({ producerName: 'p', domain: 'd', modelVersion: -5n, docString: 'doc é' });
    expect([...model.opsetImports]).toEqual([
      ['', 17],
      ['custom', 0],
      ['ai.onnx.ml', 3],
    ]);
    expect([...model.metadataProps]).toEqual([
      ['b', ''],
      ['', 'c'],
      ['a', 'twice'],
    ]);
    expect(model.trainingInfo.length).toBe(1);
  });

  it.each<[string, string, number[]]>([
    ['float_raw', 'float32', [0, 1, 2, 3, 4, 5]],
    ['double_typed', 'float64', [1e300, -0]],
    ['int32_typed', 'int32', [-1, 0, 2147483647]],
    ['int8_typed', 'int8', [-128, 0, 127]],
    ['uint8_typed', 'uint8', [255, 1]],
    ['bool_typed', 'bool', [1, 0]],
    ['half_typed', 'float16', [1, -2]],
    ['bfloat16_typed', 'bfloat16', [1]],
    ['int16_typed', 'int16', [-3]],
    ['uint16_typed', 'uint16', [65535]],
    ['uint32_typed', 'uint32', [4294967295]],
    ['float8_17', 'float8e4m3fn', [1, 2, -2]],
    ['float8_18', 'float8e4m3fnuz', [0.5, 1, -1]],
    ['float8_19', 'float8e5m2', [0.5, 2, -2]],
    ['float8_20', 'float8e5m2fnuz', [0.25, 1, -1]],
    ['float8_24', 'float8e8m0', [2 ** -71, 2 ** -63, 2 ** 65]],
    ['four_bits_21', 'uint4', [1, 2, 3]],
    ['four_bits_22', 'int4', [1, 2, 3]],
    ['four_bits_23', 'float4e2m1', [0.5, 1, 1.5]],
    ['four_bits_typed_22', 'int4', [1, 2, 3]],
    ['two_bits_25', 'uint2', [1, 2, 3, 0, 1]],
    ['two_bits_26', 'int2', [1, -2, -1, 0, 1]],
    ['scalar', 'float32', [1]],
    ['empty', 'float32', []],
  ])('%s is %s %j', (name, dtype, values) => {
    const tensor = weights.get(name)!;
    expect(tensor.dtype).toBe(dtype);
    expect(smallValues(tensor)).toEqual(values);
  });

  it('keeps 64 bits exact', () => {
    expect(smallInts(weights.get('int64_typed')!)).toEqual([-(2n ** 63n), 0n, 2n ** 63n - 1n]);
    expect(smallInts(weights.get('uint64_typed')!)).toEqual([2n ** 64n - 1n]);
  });

  it('leaves large payloads where they are and decodes them when asked', async () => {
    const iota = Float32Array.from({ length: 3000 }, (_, i) => i);
    for (const [name, kind] of Object.entries({
      float_raw_big: 'range',
      float_typed_big: 'range',
      double_typed_big: 'range',
      int64_typed_big: 'typed-field',
    })) {
      expect(weights.get(name)!.data.kind).toBe(kind);
      expect(await readTensorFloats(weights.get(name)!)).toEqual(iota);
    }
    expect(await readTensorFloats(weights.get('int32_typed_big')!)).toEqual(iota.map((value) => value - 1500));
    expect(await readTensorFloats(weights.get('half_typed_big')!)).toEqual(iota.fill(1));
    expect((await readTensorBytes(weights.get('complex64_typed')!)).byteLength).toBe(16);
  });

  it('has strings as bytes', () => {
    const { data } = weights.get('strings')!;
    expect(data.kind === 'strings' && [...data.values[1]!.subarray(0, 3)]).toEqual([0xff, 0xfe, 0x20]);
  });

  it('has the attributes, subgraphs and what they capture', () => {
    const [node, extra] = model.graph.nodes;
    expect(node!.attributes.size).toBe(25);
    expect(intAttr(node!, 'i', 0)).toBe(-(2 ** 63));
    expect(intAttr(node!, 'without type', 0)).toBe(3);
    expect(intsAttr(node!, 'packed', [])).toEqual([1, 2, 300]);
    expect(node!.attributes.get('reference')).toMatchObject({ type: 'reference', refAttrName: 'outer', attrType: 2 });
    expect(node!.attributes.get('packed floats')).toMatchObject({ value: [1, 2] });
    expect(subgraphsOf(node!).map((graph) => graph.name)).toEqual(['inner 3', 'inner 0', 'inner 1']);
    expect(implicitInputsOf(node!)).toEqual(['x', 'c']);
    expect(extra).toMatchObject({ domain: '', overload: 'overload', metadataProps: new Map([['key', 'value']]) });
  });

  it('has the types', () => {
    const typeOf = (name: string) => model.graph.inputs.find((info) => info.name === name)!.type;
    expect(typeOf('x')).toEqual({ kind: 'tensor', dtype: 'float32', shape: ['N', 3, null, 0] });
    expect(typeOf('scalar')).toEqual({ kind: 'tensor', dtype: 'int64', shape: [] });
    expect(typeOf('any_rank')).toEqual({ kind: 'tensor', dtype: 'bfloat16' });
    expect(typeOf('minus_one')).toMatchObject({ shape: [null, 3] });
    expect(typeOf('denoted')).toMatchObject({ shape: [1, 3] });
    expect(typeOf('image')).toMatchObject({ shape: [1, 3], denotation: 'IMAGE' });
    expect(typeOf('sparse_in')).toMatchObject({ kind: 'sparse-tensor', shape: [3, 4] });
    expect(typeOf('sequence')).toMatchObject({ kind: 'other', name: 'sequence' });
    expect(typeOf('optional')).toMatchObject({ kind: 'other', name: 'optional' });
    expect(typeOf('untyped')).toBeUndefined();
    expect(typeOf('future')).toMatchObject({ kind: 'other', name: 'tensor of element type 99' });
  });

  it('has the function', () => {
    const [definition] = model.functions;
    expect(definition).toMatchObject({ name: 'F', domain: 'custom', inputs: ['a'], attributeNames: ['alpha'] });
    expect(definition!.attributeDefaults.get('beta')).toMatchObject({ type: 'int', value: 2n });
    expect(definition!.overload).toBe('over');
    expect([...definition!.valueInfo.keys()]).toEqual(['x']);
  });
});

describe('windows', () => {
  const count = 40;
  const tensorBytes = 1 << 20;
  const large = async (): Promise<Uint8Array> => {
    const bytes = bytesOf(Float32Array.from({ length: tensorBytes / 4 }, (_, i) => i));
    const initializers = Array.from({ length: count }, (_, i) =>
      tensorFromBytes(`w${i}`, 'float32', [1024, 256], bytes),
    );
    const nodes = initializers.map(({ name }, i) =>
      makeNode({ opType: 'MatMul', inputs: [`x${i}`, name], outputs: [`x${i + 1}`] }),
    );
    const graph = makeGraph({ nodes, initializers, inputs: [valueInfo('x0', 'float32', ['N', 1024])] });
    return modelToBytes(makeModel({ graph }));
  };

  it('passes over payloads instead of reading them', async () => {
    const { source, reads } = observed(await large());
    const model = await readModel(source);
    const read = reads.reduce((sum, [, length]) => sum + length, 0);
    expect(model.graph.initializers.size).toBe(count);
    expect(reads.length).toBeLessThan(count + 8);
    expect(read).toBeLessThan(source.byteLength / 20);
  });

  it.each([
    ['of one size', () => 128],
    ['that repeat with the layers', (i: number) => [256, 96, 96, 256, 640, 640][i % 6]!],
    ['that never repeat', (i: number) => 100 + ((i * 7919) % 211)],
  ])('reads ahead over weights %s, and finds the same', async (_, rowsOf) => {
    const initializers = Array.from({ length: 60 }, (__, i) => {
      const rows = rowsOf(i);
      return tensorFromBytes(`layers.${i}.weight`, 'float32', [rows, 256], new Uint8Array(rows * 1024).fill(i));
    });
    const bytes = await modelToBytes(makeModel({ graph: makeGraph({ nodes: [], initializers }) }));
    let open = 0;
    let together = 0;
    let total = 0;
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      open += 1;
      total += 1;
      together = Math.max(together, open);
      await new Promise((resolve) => setTimeout(resolve, 1));
      open -= 1;
      return bytes.slice(offset, offset + length);
    };
    const model = await readModel({ name: 'm', byteLength: bytes.length, read });
    const repeats = rowsOf(6) === rowsOf(0);
    expect(together > 4).toBe(repeats);
    expect(total).toBeLessThan(90);
    expect(Buffer.compare(await modelToBytes(model), bytes)).toBe(0);
  });

  it('reads a graph of many small nodes in a few large windows', async () => {
    const nodes = Array.from({ length: 20_000 }, (_, i) =>
      makeNode({ name: `node ${i}`, opType: 'Relu', inputs: [`x${i}`], outputs: [`x${i + 1}`] }),
    );
    const { source, reads } = observed(await modelToBytes(makeModel({ graph: makeGraph({ nodes }) })));
    const model = await readModel(source);
    expect(model.graph.nodes.at(-1)).toMatchObject({ name: 'node 19999', outputs: ['x20000'] });
    expect(reads.length).toBeLessThan(12);
  });

  it('finds the same model whatever its windows are', async () => {
    const bytes = readFileSync(
      new URL('../../../../node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx', import.meta.url),
    );
    const { source } = observed(bytes);
    const whole = await modelToBytes(await readModel(memorySource('m', bytes)));
    expect(Buffer.compare(whole, await modelToBytes(await readModel(source)))).toBe(0);
  });

  it('copies what it keeps, also out of a Node Buffer', async () => {
    const graph = makeGraph({ nodes: [], initializers: [tensorFromNumbers('w', 'float32', [2], [1, 2])] });
    const buffer = Buffer.from(await modelToBytes(makeModel({ graph })));
    const { source } = observed(buffer);
    const model = await readModel({
      ...source,
      read: async (offset, length) => buffer.subarray(offset, offset + length),
    });
    buffer.fill(0);
    expect(smallValues(model.graph.initializers.get('w')!)).toEqual([1, 2]);
  });

  it('can be cancelled while it waits', async () => {
    const controller = new AbortController();
    const { source } = observed(await large());
    let reads = 0;
    const read = (offset: number, length: number): Promise<Uint8Array> => {
      reads += 1;
      if (reads === 5) controller.abort();
      return source.read(offset, length);
    };
    const reading = readModel({ ...source, read }, { signal: controller.signal });
    await expect(reading).rejects.toMatchObject({ code: 'job/cancelled' });
    expect(reads).toBeLessThan(8);
  });

  it('says how far it is', async () => {
    const { source } = observed(await large());
    const done: number[] = [];
    await readModel(source, { onProgress: (progress) => done.push(progress.done / progress.total!) });
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(done.at(-1)).toBe(1);
  });
});
