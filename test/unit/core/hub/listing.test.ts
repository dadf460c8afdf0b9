import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { describeConfig, type HubFile, isGated, modelInfoSchema, readTreePage } from '../../../../src/core/hub/api.ts';
import { fileUrl, nextPage, treeUrl } from '../../../../src/core/hub/urls.ts';
import {
  besideGraph,
  companionFiles,
  dtypeOfName,
  groupVariants,
  isDataOf,
  preferredVariant,
} from '../../../../src/core/hub/variants.ts';

const SHA1 = 'a'.repeat(40);
const SHA256 = 'b'.repeat(64);
const file = (path: string, size = 10): HubFile => ({ path, size, sha256: null, oid: SHA1 });

describe('the hub’s answers', () => {
  it('reads a listing as the hub gives it, LFS files by their contents’ size and hash', () => {
    const page = [
      { type: 'directory', oid: SHA1, size: 0, path: 'onnx' },
      { type: 'file', oid: SHA1, size: 570, path: 'config.json', xetHash: 'new field' },
      {
        type: 'file',
        oid: SHA1,
        size: 135,
        path: 'onnx/model.onnx',
        lfs: { oid: SHA256, size: 90_000_000, pointerSize: 135 },
      },
    ];
    expect(readTreePage(page)).toEqual([
      { path: 'config.json', size: 570, sha256: null, oid: SHA1 },
      { path: 'onnx/model.onnx', size: 90_000_000, sha256: SHA256, oid: SHA256 },
    ]);
  });

  it('leaves out rows that lie, and keeps the others', () => {
    const bad = [
      { type: 'file', oid: SHA1, size: -1, path: 'x.onnx' },
      { type: 'file', oid: SHA1, size: 1, path: '../x.onnx' },
      { type: 'file', oid: SHA1, size: 1, path: '/etc/x.onnx' },
      { type: 'file', oid: 'nonsense', size: 1, path: 'y.onnx' },
      { type: 'file', oid: SHA1, size: 1e300, path: 'z.onnx' },
      null,
      7,
      { type: 'file', oid: SHA1, size: 5, path: 'good.onnx' },
    ];
    expect(readTreePage(bad)?.map(({ path }) => path)).toEqual(['good.onnx']);
    expect(readTreePage({ error: 'no' })).toBeNull();
  });

  it('takes any JSON without throwing', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        readTreePage(json);
        readTreePage([json]);
        modelInfoSchema.safeParse(json);
        describeConfig(json);
      }),
    );
  });

  it('needs the commit alone, and knows gates', () => {
    const info = (more: object) => modelInfoSchema.parse({ sha: SHA1, ...more });
    expect(modelInfoSchema.safeParse({ sha: 'main' }).success).toBe(false);
    expect([info({}), info({ gated: false }), info({ gated: 'false' })].map(isGated)).toEqual([false, false, false]);
    expect([info({ gated: 'auto' }), info({ gated: 'manual' }), info({ gated: true })].map(isGated)).toEqual([
      true,
      true,
      true,
    ]);
    expect(info({ tags: 'not a list', pipeline_tag: 7 }).sha).toBe(SHA1);
    expect(describeConfig({ model_type: 'bert', architectures: ['BertModel'], hidden_size: 384 })).toBe(
      'bert, BertModel',
    );
    expect(describeConfig({ model_type: 5 })).toBeNull();
  });

  it('escapes revisions whole and paths by part', () => {
    expect(treeUrl('https://h', 'o/n', 'refs/pr/1')).toBe('https://h/api/models/o/n/tree/refs%2Fpr%2F1?recursive=true');
    expect(fileUrl('https://h', 'o/n', SHA1, 'onnx/a b#.onnx')).toBe(
      `https://h/o/n/resolve/${SHA1}/onnx/a%20b%23.onnx`,
    );
  });

  test.each([
    ['<https://h/api/x?cursor=2>; rel="next"', 'https://h/api/x?cursor=2'],
    ['<https://h/api/x?cursor=0>; rel="prev", <https://h/api/x?c=2,3>; rel=next', 'https://h/api/x?c=2,3'],
    ['</api/x?cursor=2>;rel="next"', 'https://h/api/x?cursor=2'],
    ['<https://elsewhere.example/steal>; rel="next"', null],
    ['<https://h/api/x>; rel="next"', null],
    ['<https://h/api/x?c=2>; rel="last"', null],
    ['nonsense', null],
    [null, null],
  ])('the next page of %s', (header, expected) => {
    expect(nextPage(header, 'https://h/api/x')).toBe(expected);
  });
});

describe('variants', () => {
  // The layout of onnx-community's repositories.
  const files = [
    'config.json',
    'tokenizer.json',
    'onnx/model.onnx',
    'onnx/model.onnx_data',
    'onnx/model.onnx_data_1',
    'onnx/model_fp16.onnx',
    'onnx/model_fp16.onnx_data',
    'onnx/model_q4f16.onnx',
    'onnx/model_quantized.onnx',
    'onnx/decoder_model_merged.onnx',
    'onnx/decoder_model_merged_q4.onnx',
    'README.md',
  ].map((path, index) => file(path, 10 ** index));

  it('groups graphs with their data and names their types', () => {
    const found = groupVariants(files);
    expect(
      found.map(({ graph, base, dtype, data }) => [graph.path, base, dtype, data.map(({ path }) => path)]),
    ).toEqual([
      ['onnx/decoder_model_merged.onnx', 'decoder_model_merged', 'fp32', []],
      ['onnx/decoder_model_merged_q4.onnx', 'decoder_model_merged', 'q4', []],
      ['onnx/model.onnx', 'model', 'fp32', ['onnx/model.onnx_data', 'onnx/model.onnx_data_1']],
      ['onnx/model_fp16.onnx', 'model', 'fp16', ['onnx/model_fp16.onnx_data']],
      ['onnx/model_q4f16.onnx', 'model', 'q4f16', []],
      ['onnx/model_quantized.onnx', 'model', 'q8', []],
    ]);
    expect(found.find(({ graph }) => graph.path === 'onnx/model.onnx')?.bytes).toBe(100 + 1000 + 10_000);
  });

  it('counts no data file for two variants', () => {
    const names = fc.constantFrom('model', 'model_q4', 'model_q4f16', 'model_1', 'decoder', 'a.b');
    const ends = fc.constantFrom('.onnx', '.onnx_data', '.onnx.data', '.onnx_data_1', '.onnx.data.2', '.data', '.bin');
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(names, ends).map(([name, end]) => name + end)), (paths) => {
        const data = groupVariants(paths.map((path) => file(path))).flatMap((variant) => variant.data);
        expect(new Set(data).size).toBe(data.length);
      }),
    );
  });

  it('knows the common ways to name external data', () => {
    for (const data of [
      'm.onnx_data',
      'm.onnx.data',
      'm.onnx_data_12',
      'm.onnx.data.3',
      'm.data',
      'm.bin',
      'm.weights',
    ])
      expect(isDataOf('m.onnx', data), data).toBe(true);
    for (const data of ['m.onnx', 'm_q4.onnx_data', 'm.json', 'x/m.onnx_data', 'm.onnx_database', 'm.onnx.md'])
      expect(isDataOf('m.onnx', data), data).toBe(false);
  });

  it('knows types by the suffixes of transformers.js', () => {
    const dtype = (name: string) => dtypeOfName(name).dtype;
    expect(
      [
        'model',
        'model_fp16',
        'model_quantized',
        'model_int8',
        'model_uint8',
        'model_q4',
        'model_q4f16',
        'model_bnb4',
      ].map(dtype),
    ).toEqual(['fp32', 'fp16', 'q8', 'int8', 'uint8', 'q4', 'q4f16', 'bnb4']);
    expect(dtype('model-float16')).toBe('float16');
    expect(dtype('model_qint8_arm64')).toBe('fp32');
  });

  it('offers what the address named, else the plain model', () => {
    const variants = groupVariants(files);
    const name = (path: string | null) => preferredVariant(variants, path)?.graph.path;
    expect(name(null)).toBe('onnx/model.onnx');
    expect(name('onnx')).toBe('onnx/model.onnx');
    expect(name('onnx/model_q4f16.onnx')).toBe('onnx/model_q4f16.onnx');
    expect(name('nowhere')).toBe('onnx/model.onnx');
    expect(preferredVariant([], null)).toBeNull();
  });

  it('finds config and tokenizer near the graph', () => {
    const paths = ['config.json', 'tokenizer.json', 'unet/config.json', 'unet/model.onnx', 'unet/onnx/model.onnx'];
    const list = paths.map((path) => file(path));
    const names = (graph: string) => companionFiles(list, graph).map(({ path }) => path);
    expect(names('unet/model.onnx')).toEqual(['unet/config.json', 'tokenizer.json']);
    expect(names('unet/onnx/model.onnx')).toEqual(['unet/config.json', 'tokenizer.json']);
    expect(companionFiles([file('config.json', 1e9)], 'model.onnx')).toEqual([]);
  });

  it('places external data beside the graph', () => {
    expect(besideGraph('onnx/model.onnx', 'model.onnx_data')).toBe('onnx/model.onnx_data');
    expect(besideGraph('model.onnx', './w/a.bin')).toBe('w/a.bin');
  });
});
