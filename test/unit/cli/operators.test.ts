// `whittle optimize --profile` and `--for`: which operators the written model has, and that it computes the same.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memorySource } from '../../../src/core/base/memory-source.ts';
import type { Model } from '../../../src/core/ir/types.ts';
import { forEachNode } from '../../../src/core/ir/walk.ts';
import { readModel } from '../../../src/core/onnx/read.ts';
import { modelToBytes } from '../../../src/core/onnx/write.ts';
import { expectSameOutputs, model, noise, scalar } from '../core/passes/helpers.ts';

const tool = fileURLToPath(new URL('../../../dist-node/whittle.js', import.meta.url));
/** A linear layer with GELU and a residual, normalized: each of them has an operator of onnxruntime's own. */
const block = model({
  inputs: { x: ['n', 3, 8] },
  outputs: ['y'],
  opset: 17,
  weights: {
    w: noise('w', [8, 8]),
    b: noise('b', [8]),
    scale: noise('scale', [8]),
    shift: noise('shift', [8]),
    root: scalar(Math.SQRT2),
    one: scalar(1),
    half: scalar(0.5),
  },
  nodes: [
    'm = MatMul(x, w)',
    'a = Add(m, b)',
    'd = Div(a, root)',
    'e = Erf(d)',
    'f = Add(e, one)',
    'h = Mul(a, f)',
    'g = Mul(h, half)',
    'r = Add(g, x)',
    'y = LayerNormalization(r, scale, shift)',
  ],
});

let folder: string;
beforeAll(async () => {
  if (!existsSync(tool)) throw new Error('dist-node/whittle.js is missing: run `npm run build:node` first.');
  folder = mkdtempSync(join(tmpdir(), 'whittle-operators-'));
  writeFileSync(join(folder, 'block.onnx'), await modelToBytes(block));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const whittle = (...args: string[]) =>
  spawnSync(process.execPath, [tool, ...args], { cwd: folder, encoding: 'utf8', timeout: 60_000 });

interface Written {
  readonly after: Model;
  readonly stdout: string;
}

async function optimized(...args: string[]): Promise<Written> {
  const { status, stdout, stderr } = whittle(
    'optimize',
    'block.onnx',
    '--preset',
    'simplify',
    '-o',
    'out.onnx',
    ...args,
  );
  expect(status, stderr).toBe(0);
  const after = await readModel(memorySource('out.onnx', new Uint8Array(readFileSync(join(folder, 'out.onnx')))));
  await expectSameOutputs(block, after, { relative: 1e-5 });
  return { after, stdout };
}

function operators(given: Model): string[] {
  const found: string[] = [];
  forEachNode(given, ({ domain, opType }) => void found.push(domain ? `${domain}.${opType}` : opType));
  return found.sort();
}

describe('optimize --profile', () => {
  it('onnxruntime’s own operators, where nothing is said', async () => {
    const { after } = await optimized();
    expect(operators(after)).toEqual(['MatMul', 'com.microsoft.BiasGelu', 'com.microsoft.SkipLayerNormalization']);
  });
  it('portable: standard operators of the model’s own opset', async () => {
    const { after } = await optimized('--profile', 'portable');
    expect(operators(after).filter((name) => name.includes('.'))).toEqual([]);
    expect([...after.opsetImports]).toEqual([['', 17]]);
  });
  it('portable-20: Gelu is one of them', async () => {
    const { after } = await optimized('--profile', 'portable-20');
    expect(operators(after)).toEqual(['Add', 'Add', 'Gelu', 'LayerNormalization', 'MatMul']);
    expect([...after.opsetImports]).toEqual([['', 20]]);
  });
  it('an unknown one is told with those there are', () => {
    const { status, stderr } = whittle('optimize', 'block.onnx', '--preset', 'simplify', '--profile', 'tensorrt');
    expect(status).toBe(2);
    expect(stderr).toContain('there is no profile "tensorrt"; there are: onnxruntime, portable, portable-17');
  });
});

describe('optimize --for', () => {
  it('webgpu has kernels for all of them', async () => {
    const { after, stdout } = await optimized('--for', 'webgpu');
    expect(operators(after)).toContain('com.microsoft.SkipLayerNormalization');
    expect(stdout).not.toContain('standard operators only');
  });
  it('webnn knows standard operators only, and the notes say which fusions that concerned', async () => {
    const { after, stdout } = await optimized('--for', 'webnn');
    expect(operators(after).filter((name) => name.includes('.'))).toEqual([]);
    expect(stdout).toMatch(/"Fuse bias \+ GELU" .*com\.microsoft\.BiasGelu is unknown to WebNN/);
  });
  it('an unknown one is told with those there are', () => {
    const { status, stderr } = whittle('optimize', 'block.onnx', '--preset', 'simplify', '--for', 'npu');
    expect(status).toBe(2);
    expect(stderr).toContain('there is no provider "npu"; there are: wasm, webgpu, webnn, cpu');
  });
});
