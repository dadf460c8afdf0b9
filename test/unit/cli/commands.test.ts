// The built command line tool as its users run it: arguments in; exit code, text and files out.
import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MemoryTimeline } from '../../../src/core/analysis/memory-plan.ts';
import { concatParts } from '../../../src/core/base/byte-parts.ts';
import { memorySource } from '../../../src/core/base/memory-source.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../src/core/ir/build.ts';
import { tensorFromBytes } from '../../../src/core/ir/tensor.ts';
import { externalOrigins } from '../../../src/core/onnx/wire-form.ts';
import { modelToBytes, writeModel } from '../../../src/core/onnx/write.ts';
import { lensResultSchema, sensitivityResultSchema } from '../../../src/core/precision/results.ts';
import { canonicalRecipe } from '../../../src/core/recipe/parse.ts';
import { presets } from '../../../src/core/recipe/presets.ts';
import { searchResultSchema } from '../../../src/core/search/results.ts';
import { encodeStudy } from '../../../src/core/study/link.ts';
import { reportSchema } from '../../../src/core/study/results.ts';
import { type Study, studySchema } from '../../../src/core/study/schema.ts';
import { smallClassifier } from '../../browser/support/models.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const tool = join(root, 'dist-node/whittle.js');
let folder: string;
let model: string;

beforeAll(async () => {
  if (!existsSync(tool)) throw new Error('dist-node/whittle.js is missing: run `npm run build:node` first.');
  folder = mkdtempSync(join(tmpdir(), 'whittle-test-'));
  model = join(folder, 'small.onnx');
  writeFileSync(model, await smallClassifier());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function whittle(args: readonly string[], onStderr?: (text: string, end: (signal: 'SIGINT') => void) => void) {
  return new Promise<Outcome>((resolve) => {
    const child = spawn(process.execPath, [tool, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
      onStderr?.(stderr, (signal) => child.kill(signal));
    });
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

const recipeFile = (name: string, recipe: unknown) => {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(recipe));
  return path;
};

const canonical = (index: number) => {
  const recipe = canonicalRecipe(presets[index]!.recipe);
  if (!recipe.ok) throw recipe.error;
  return recipe.value;
};

const studyOf = (change: Partial<Study> = {}): Study =>
  studySchema.parse({
    model: { kind: 'file', name: 'other.onnx', sha256: 'a'.repeat(64), byteLength: 1 },
    variants: ['original', 'simplify', 'fp16'].map((id) => canonical(presets.findIndex((one) => one.id === id))),
    task: { kind: 'random', samples: 4 },
    plan: { latencyRuns: 4, warmupRuns: 0 },
    ...change,
  });

const quick = ['--samples', '4', '--runs', '3', '--provider', 'cpu'];

/** Metadata lies in the file as it is. */
const carries = (path: string, text: string) => readFileSync(path).includes(text);

describe('inspect', () => {
  test('as text and as JSON', async () => {
    const text = await whittle(['inspect', model]);
    expect(text).toMatchObject({ code: 0 });
    expect(text.stdout).toMatch(/small\.onnx {2}[\d.]+ kB/);
    expect(text.stdout).toMatch(/MatMul\s+2/);
    const json = await whittle(['inspect', model, '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      file: 'small.onnx',
      nodes: { all: 6 },
      weights: { parameters: 9600 },
    });
  });

  test('says that a shape or an opset is not given, instead of making one up', async () => {
    const bare = makeModel({
      opset: 17,
      graph: makeGraph({
        inputs: [valueInfo('x', 'float32')],
        outputs: [{ name: 'y' }],
        nodes: [makeNode({ opType: 'Relu', inputs: ['x'], outputs: ['y'] })],
      }),
    });
    bare.opsetImports.clear();
    writeFileSync(join(folder, 'bare.onnx'), await modelToBytes(bare));
    const { stdout } = await whittle(['inspect', 'bare.onnx']);
    expect(stdout).toMatch(/x {2}float32 of any rank/);
    expect(stdout).toContain('opset not given');
  });
});

describe('inspect --memory', () => {
  test('the peak with the tensors that make it, the sizes it is for, and JSON', async () => {
    const text = await whittle(['inspect', model, '--memory', '--dim', 'batch=3']);
    expect(text).toMatchObject({ code: 0 });
    expect(text.stdout).toMatch(/^small\.onnx: predicted from shapes/);
    expect(text.stdout).toMatch(/peak [\d.]+ k?B of activations at node \d of 6, \w+ \S+; 38\.\d kB of weights/);
    expect(text.stdout).toMatch(/alive at the peak +bytes +share +made by/);
    const json = await whittle(['inspect', model, '--memory', '--json', '--dim', 'batch=3']);
    const { steps, buffers, peakStep, peakBytes } = JSON.parse(json.stdout) as MemoryTimeline;
    expect(steps).toHaveLength(6);
    const alive = buffers.filter(({ from, to }) => from <= peakStep && peakStep <= to);
    expect(alive.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(peakBytes);
  });
});

describe('optimize', () => {
  test('a sample by its id, as reports write it: the result lies where the command was given', async () => {
    const { code, stdout } = await whittle(['optimize', '--sample', 'ocr-cls', '--preset', 'simplify']);
    expect(code).toBe(0);
    expect(stdout).toContain('nodes');
    expect(readdirSync(folder).filter((name) => name.startsWith('ch_ppocr'))).toHaveLength(1);
    const both = await whittle(['optimize', model, '--sample', 'ocr-cls', '--preset', 'simplify']);
    expect(both.code).toBe(2);
  });

  test('a preset: a file with the suffix, which carries its recipe', async () => {
    const { code, stdout } = await whittle(['optimize', model, '--preset', 'fp16']);
    expect(code).toBe(0);
    const out = join(folder, 'small_fp16.onnx');
    expect(stdout).toContain(out);
    expect(readFileSync(out).length).toBeLessThan(0.6 * readFileSync(model).length);
    expect(carries(out, 'whittle.recipe')).toBe(true);
    // An optimized file is a model like any other: it can be optimized again, and then carries the new recipe.
    const again = await whittle(['optimize', out, '--preset', 'simplify', '-o', 'again.onnx']);
    expect(again.code).toBe(0);
    expect(carries(join(folder, 'again.onnx'), '"name":"Simplify only"')).toBe(true);
    expect(carries(join(folder, 'again.onnx'), '"name":"FP16"')).toBe(false);
  });

  test('a recipe file, -o and --json -', async () => {
    const recipe = recipeFile('recipe.json', { name: 'mine', steps: [{ id: 'eliminate-identity' }] });
    const { code, stdout, stderr } = await whittle([
      'optimize',
      model,
      '--recipe',
      recipe,
      '-o',
      'mine.onnx',
      '--json',
      '-',
    ]);
    expect(stderr).not.toContain('Error');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      format: 'whittle-build',
      recipe: { name: 'mine' },
      written: ['mine.onnx'],
    });
    expect(existsSync(join(folder, 'mine.onnx'))).toBe(true);
  });

  test('a link: its first variant that changes something, or the one that is named', async () => {
    const link = `https://example.org/whittle/#${encodeStudy(studyOf())}`;
    const first = await whittle(['optimize', model, '--link', link, '-o', 'a.onnx', '--json', '-']);
    expect(JSON.parse(first.stdout).recipe.name).toBe('Simplify only');
    const named = await whittle([
      'optimize',
      model,
      '--link',
      link,
      '--variant',
      'FP16',
      '-o',
      'b.onnx',
      '--json',
      '-',
    ]);
    expect(JSON.parse(named.stdout).recipe.name).toBe('FP16');
    const none = await whittle(['optimize', model, '--link', link, '--variant', 'Nope', '-o', 'c.onnx']);
    expect(none.code).toBe(2);
    expect(none.stderr).toContain('Original, Simplify only, FP16');
  });

  test('the model itself and its data files are never overwritten, whatever their names', async () => {
    const sub = join(folder, 'own');
    mkdirSync(sub);
    const copy = join(sub, 'm.onnx');
    writeFileSync(copy, readFileSync(model));
    symlinkSync(copy, join(sub, 'link.onnx'));
    const before = readFileSync(copy);
    for (const out of ['own/m.onnx', './own/../own/m.onnx', copy, 'own/link.onnx']) {
      const { code, stderr } = await whittle(['optimize', 'own/m.onnx', '--preset', 'fp16', '-o', out]);
      expect(code, out).toBe(2);
      expect(stderr).toContain('would be replaced');
    }
    expect(readFileSync(copy).equals(before)).toBe(true);
  });

  test('external data in several files and folders; one that leads out of the folder is refused', async () => {
    const sub = join(folder, 'external');
    mkdirSync(join(sub, 'weights/deep'), { recursive: true });
    await externalModel(sub, ['weights/a.bin', 'weights/deep/b.bin']);
    expect(carries(join(sub, 'm.onnx'), 'weights/deep/b.bin')).toBe(true);
    // Data files count: 2 x 64 x 64 float32 and the graph.
    expect((await whittle(['inspect', 'external/m.onnx'])).stdout).toMatch(/^m\.onnx {2}3[23]\.\d kB/);
    const { code, stdout, stderr } = await whittle([
      'optimize',
      'external/m.onnx',
      '--preset',
      'int8-weights',
      '-o',
      'one.onnx',
      '--json',
      '-',
    ]);
    expect(stderr).not.toContain('Error');
    expect(code).toBe(0);
    expect(
      JSON.parse(stdout).facts.weightBytesByDtype.int8 ?? JSON.parse(stdout).facts.weightBytesByDtype.uint8,
    ).toBeGreaterThan(0);
    const { stdout: result } = await whittle(['compare', 'external/m.onnx', '--preset', 'simplify', ...quick]);
    expect(result).toMatch(/Simplify only .* 1\.0000 /);
    const over = await whittle(['optimize', 'external/m.onnx', '--preset', 'fp16', '-o', 'external/weights/a.bin']);
    expect(over.code).toBe(2);
    await externalModel(sub, ['../small.onnx', 'weights/a.bin']);
    const out = await whittle(['optimize', 'external/m.onnx', '--preset', 'simplify', '-o', 'x.onnx']);
    expect(out.code).toBe(2);
    expect(out.stderr).toMatch(/outside|path/i);
    await externalModel(sub, ['weights/gone.bin', 'weights/a.bin']);
    rmSync(join(sub, 'weights/gone.bin'));
    const missing = await whittle(['inspect', 'external/m.onnx']);
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain('weights/gone.bin');
  });

  test('Ctrl+C: not 0, and nothing is left behind', async () => {
    const sub = join(folder, 'cancelled');
    mkdirSync(sub);
    writeFileSync(join(sub, 'm.onnx'), await largeModel());
    const { code, stderr } = await whittle(
      ['optimize', 'cancelled/m.onnx', '--preset', 'int8-weights'],
      (_text, kill) => kill('SIGINT'),
    );
    expect(stderr).toContain('Cancel');
    expect(code).toBe(130);
    expect(readdirSync(sub)).toEqual(['m.onnx']);
  });
});

describe('compare', () => {
  test('a table with a passed gate, and the report as JSON', async () => {
    const { code, stdout } = await whittle([
      'compare',
      model,
      '--preset',
      'simplify',
      ...quick,
      '--json',
      'report.json',
      '--max-drop',
      'abs:0.9',
    ]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/Simplify only .* PASS/);
    expect(stdout).toMatch(/Gate: passed$/m);
    const report = reportSchema.parse(JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8')));
    expect(report.variants[1]!.facts!.predictedPeakActivationBytes).toBeGreaterThan(0);
  });

  test.each([
    ['no recipe at all', { a: 1 }, /not valid at a in recipe-odd\.json/],
    ['a field misspelt', { name: 'x', step: [] }, /step in recipe-odd\.json/],
    ['parameters misspelt', { steps: [{ id: 'weight-only-rtn', parms: { bits: 2 } }] }, /steps\.0\.parms/],
    ['a setting misspelt', { runtime: { disabledOptimisers: [] } }, /runtime\.disabledOptimisers/],
  ])('a recipe file that says something else than it means: %s', async (_, json, said) => {
    writeFileSync(join(folder, 'recipe-odd.json'), JSON.stringify(json));
    const { code, stderr } = await whittle(['optimize', model, '--recipe', 'recipe-odd.json', '-o', 'odd.onnx']);
    expect(stderr).toMatch(said);
    expect(code).toBe(2);
    expect(existsSync(join(folder, 'odd.onnx'))).toBe(false);
  });

  test('a gate that fails is exit code 1', async () => {
    // Every weight rounded to 2 bits, and no loss allowed.
    const recipe = recipeFile('rough.json', {
      name: 'rough',
      steps: [{ id: 'weight-only-rtn', params: { bits: 2 } }],
    });
    const args = [
      'compare',
      model,
      '--recipe',
      recipe,
      '--runs',
      '3',
      '--samples',
      '64',
      '--max-drop',
      '0',
      '--provider',
      'cpu',
    ];
    const { code, stdout } = await whittle(args);
    expect(stdout).toContain('Gate: FAILED');
    expect(code).toBe(1);
  });

  test('too few samples to say is no pass, and the runtime has nothing to say of its own', async () => {
    const few = ['compare', model, '--preset', 'int8-dynamic', '--runs', '3', '--samples', '4', '--provider', 'cpu'];
    const { code, stdout, stderr } = await whittle(few);
    expect(stdout).toContain('Gate: inconclusive');
    expect(code).toBe(1);
    expect(stderr).not.toContain('onnxruntime:');
  });

  test('a link with eight variants, its task, plan and gate', async () => {
    const study = studyOf({
      variants: presets.slice(0, 8).map((_, index) => canonical(index)),
      gate: { mode: 'absolute', maxWorse: 0.95, confidence: 0.9 },
    });
    const { stdout, stderr, code } = await whittle([
      'compare',
      model,
      '--link',
      `#${encodeStudy(study)}`,
      '--provider',
      'cpu',
      '--json',
      '-',
    ]);
    expect(stderr).toContain('made for another model (other.onnx)');
    const report = reportSchema.parse(JSON.parse(stdout));
    expect(report.variants.map(({ recipe }) => recipe.name)).toEqual(study.variants.map(({ name }) => name));
    expect(report.gate).toEqual(study.gate);
    expect(report.task.samples).toBe(4);
    expect(report.variants[0]!.measurements[0]!.latency!.runs).toBe(4);
    expect([0, 1]).toContain(code);
  });

  test('names of optimizers that are none are told', async () => {
    const recipe = recipeFile('settings.json', {
      name: 'settings',
      runtime: { disabledOptimizers: ['NoSuchFusion'], graphOptimizationLevel: 'basic', disablePrepacking: true },
    });
    const { stdout } = await whittle(['compare', model, '--recipe', recipe, ...quick, '--provider', 'wasm']);
    expect(stdout).toContain(
      'settings: note: Switched off without effect, since the runtime has no optimizer of this name: NoSuchFusion.',
    );
  });

  test('own arrays, with and without expected outputs', async () => {
    const values = (count: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * i));
    const flat = (count: number) => new Float32Array(count * 10).fill(0.1);
    writeFileSync(join(folder, 'x.npy'), npy([6, 1, 64], values(384)));
    writeFileSync(join(folder, 'first.npz'), zipSync({ 'x.npy': npy([1, 64], values(64)) }));
    writeFileSync(join(folder, 'second.npz'), zipSync({ 'x.npy': npy([1, 64], values(64)) }));
    writeFileSync(join(folder, 'expected.npy'), npy([6, 1, 10], flat(6)));
    writeFileSync(join(folder, 'short.npy'), npy([2, 1, 10], flat(2)));
    const own = ['compare', model, '--preset', 'simplify', '--runs', '3', '--provider', 'cpu', '--json', '-'];
    const report = async (...args: string[]) => {
      const { stdout, stderr } = await whittle([...own, ...args]);
      expect(stderr).not.toContain('free');
      return reportSchema.parse(JSON.parse(stdout));
    };
    const stacked = await report('--inputs', 'x.npy');
    expect(stacked.task).toMatchObject({ ref: { kind: 'files', names: ['x.npy'] }, samples: 6 });
    expect(stacked.variants[0]!.measurements[0]!.evaluation!.metrics[0]).toMatchObject({
      metric: 'top1-agreement',
      value: 1,
    });
    expect((await report('--inputs', 'first.npz', '--inputs', 'second.npz')).task.samples).toBe(2);
    // Against a flat distribution the original itself is not at a KL divergence of 0.
    const expecting = await report('--inputs', 'x.npy', '--expect', 'expected.npy');
    const divergence = expecting.variants[0]!.measurements[0]!.evaluation!.metrics.find(
      ({ metric }) => metric === 'kl-divergence',
    );
    expect(divergence!.value).toBeGreaterThan(0.01);
    const short = await whittle([...own, '--inputs', 'x.npy', '--expect', 'short.npy']);
    expect(short.code).toBe(2);
    expect(short.stderr).toContain('6 inputs but 2 expected outputs');
  });

  test('a sample’s task on the user’s own model', async () => {
    const cls = join(folder, 'mine-cls.onnx');
    writeFileSync(cls, readFileSync(sampleModel('ocr-cls')));
    const { code, stdout } = await whittle([
      'compare',
      cls,
      '--task',
      'ocr-direction',
      '--preset',
      'simplify',
      // So many that "no difference" is a pass.
      '--samples',
      '160',
      '--runs',
      '3',
      '--json',
      '-',
    ]);
    const report = reportSchema.parse(JSON.parse(stdout));
    expect(report.task).toMatchObject({
      ref: { kind: 'sample-task', id: 'ocr-direction' },
      samples: expect.any(Number),
    });
    expect(report.variants[1]!.measurements[0]!.evaluation!.n).toBe(160);
    expect(report.variants[1]!.measurements[0]!.error).toBeNull();
    expect(code).toBe(0);
  });

  test('Ctrl+C while it runs', async () => {
    const args = [
      'compare',
      model,
      '--preset',
      'simplify',
      '--samples',
      '10000',
      '--runs',
      '1000',
      '--provider',
      'cpu',
    ];
    const { code, stdout } = await whittle(args, (_text, kill) => kill('SIGINT'));
    expect(code).toBe(130);
    expect(stdout).toBe('');
  });
});

describe('bad input and usage are exit code 2, with what was seen', () => {
  const cases: readonly [string, readonly string[], RegExp][] = [
    ['no command', [], /^$/],
    ['an unknown command', ['optimise', 'm.onnx'], /There is no command "optimise"/],
    ['an unknown option', ['inspect', 'small.onnx', '--fast'], /--fast/],
    ['no model', ['inspect'], /takes one model/],
    ['two models', ['optimize', 'a', 'b', '--preset', 'fp16'], /takes one model/],
    ['a file that is not there', ['inspect', 'gone.onnx'], /gone\.onnx could not be read: there is no such file/],
    ['a folder', ['inspect', '.'], /not a file/],
    ['a file that is no model', ['inspect', 'text.onnx'], /is not an ONNX model/],
    ['no recipe', ['optimize', 'small.onnx'], /one of --recipe, --preset and --link/],
    ['two recipes', ['optimize', 'small.onnx', '--preset', 'fp16', '--recipe', 'x'], /one of/],
    ['an unknown preset', ['optimize', 'small.onnx', '--preset', 'best'], /There are: original, simplify/],
    ['a recipe that is not JSON', ['optimize', 'small.onnx', '--recipe', 'text.onnx'], /recipe/i],
    ['a recipe of the future', ['optimize', 'small.onnx', '--recipe', 'future.json'], /99/],
    ['an unknown step', ['optimize', 'small.onnx', '--recipe', 'unknown.json'], /no-such-step/],
    ['a damaged link', ['optimize', 'small.onnx', '--link', 'https://x/#w1.abc'], /link/i],
    ['a link of the future', ['optimize', 'small.onnx', '--link', '#w9.abc'], /9/],
    [
      'a folder to write to that is not there',
      ['optimize', 'small.onnx', '--preset', 'fp16', '-o', 'no/m.onnx'],
      /could not be written/,
    ],
    [
      'a report that cannot be written',
      ['optimize', 'small.onnx', '--preset', 'fp16', '-o', 'r.onnx', '--json', 'no/r.json'],
      /could not be written/,
    ],
    ['nothing to compare', ['compare', 'small.onnx'], /nothing to compare/],
    ['an unknown sample', ['compare', '--sample', 'x', '--preset', 'fp16'], /There is no sample "x"/],
    ['an unknown task', ['compare', 'small.onnx', '--task', 'x', '--preset', 'fp16'], /There is no task "x"/],
    [
      'a provider of browsers',
      ['compare', 'small.onnx', '--preset', 'fp16', '--provider', 'webgpu'],
      /needs a browser/,
    ],
    [
      'a dimension that is not there',
      ['compare', 'small.onnx', '--preset', 'fp16', '--dim', 'bacth=4'],
      /no free dimension "bacth"; it has: batch/,
    ],
    ['a number out of range', ['compare', 'small.onnx', '--preset', 'fp16', '--runs', '1'], /--runs must be/],
    ['a drop that is none', ['compare', 'small.onnx', '--preset', 'fp16', '--max-drop', 'much'], /--max-drop takes/],
    [
      'expected outputs without inputs',
      ['compare', 'small.onnx', '--preset', 'fp16', '--expect', 'x'],
      /goes with --inputs/,
    ],
    ['arrays that are not there', ['compare', 'small.onnx', '--preset', 'fp16', '--inputs', 'x.gone'], /no such file/],
    [
      'arrays and a task',
      ['compare', 'small.onnx', '--preset', 'fp16', '--inputs', 'x', '--task', 'random'],
      /not both/,
    ],
  ];
  beforeAll(() => {
    writeFileSync(join(folder, 'text.onnx'), 'This is no model.\n');
    recipeFile('future.json', { format: 'whittle-recipe', version: 99, steps: [] });
    recipeFile('unknown.json', { steps: [{ id: 'no-such-step' }] });
  });
  test.each(cases)('%s', async (_name, args, message) => {
    const { code, stderr, stdout } = await whittle(args);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('    at ');
    expect(code).toBe(2);
    if (args.length > 0) expect(stdout).toBe('');
  });

  test('a link whose arrays nobody has', async () => {
    const link = encodeStudy(studyOf({ task: { kind: 'files', names: ['mine.npz'] } }));
    const { code, stderr } = await whittle(['compare', model, '--link', link]);
    expect(code).toBe(2);
    expect(stderr).toContain('mine.npz');
  });
});

test('help and version are exit code 0', async () => {
  const version = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
  expect(await whittle(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` });
  for (const args of [['--help'], ['help', 'compare'], ['optimize', '--help']])
    expect(await whittle(args)).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/whittle/i) });
});

test('npx whittle runs it from the repository', () => {
  const shown = execFileSync('npx', ['--no', 'whittle', '--version'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  expect(shown.trim()).toMatch(/^\d+\.\d+\.\d+/);
});

/** A float32 array as numpy.save writes it (format 1.0). */
function npy(dims: readonly number[], values: Float32Array): Uint8Array {
  const description = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dims.join(', ')},), }`;
  const header = `${description.padEnd(117)}\n`;
  return Buffer.concat([
    Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length, 0]),
    Buffer.from(header, 'latin1'),
    Buffer.from(values.buffer),
  ]);
}

/** Two dense layers of 64 x 64, whose weights lie in these files, paths relative to the folder. */
async function externalModel(sub: string, locations: readonly [string, string]): Promise<void> {
  const count = 64 * 64;
  const initializers = locations.map((location, index) => {
    const bytes = new Uint8Array(Float32Array.from({ length: count }, (_, i) => Math.sin(i + index) / 8).buffer);
    if (!location.startsWith('..')) writeFileSync(join(sub, location), bytes);
    const data = {
      kind: 'range',
      range: { source: memorySource(location, bytes), offset: 0, byteLength: bytes.length },
    } as const;
    const external = { location, offset: 0, length: bytes.length };
    // As the reader notes it: the tensor's bytes are where its location says.
    externalOrigins.set(data, external);
    return { ...tensorFromBytes(`w${index}`, 'float32', [64, 64], bytes), data, external };
  });
  const graph = makeGraph({
    name: 'external',
    nodes: [
      makeNode({ opType: 'MatMul', inputs: ['x', 'w0'], outputs: ['h'] }),
      makeNode({ opType: 'MatMul', inputs: ['h', 'w1'], outputs: ['y'] }),
    ],
    inputs: [valueInfo('x', 'float32', [1, 64])],
    outputs: [valueInfo('y', 'float32', [1, 64])],
    initializers,
  });
  const written = await writeModel(makeModel({ graph }), { externalData: 'keep' });
  writeFileSync(join(sub, 'm.onnx'), await concatParts(written.graph));
}

/** 64 MB of weights: enough to be in the middle of it when Ctrl+C comes. */
async function largeModel(): Promise<Uint8Array> {
  const layers = 16;
  const weights = new Uint8Array(Float32Array.from({ length: 1 << 20 }, (_, i) => Math.sin(i)).buffer);
  const graph = makeGraph({
    name: 'large',
    nodes: Array.from({ length: layers }, (_, i) =>
      makeNode({ opType: 'MatMul', inputs: [`h${i}`, `w${i}`], outputs: [`h${i + 1}`] }),
    ),
    inputs: [valueInfo('h0', 'float32', [1, 1024])],
    outputs: [valueInfo(`h${layers}`, 'float32', [1, 1024])],
    initializers: Array.from({ length: layers }, (_, i) => tensorFromBytes(`w${i}`, 'float32', [1024, 1024], weights)),
  });
  return modelToBytes(makeModel({ graph }));
}

/** The model of a sample, where the repository or its packages have it. */
function sampleModel(id: string): string {
  const { samples } = JSON.parse(readFileSync(join(root, 'public/samples/index.json'), 'utf8'));
  const { model: path, packagePath } = samples.find((sample: { id: string }) => sample.id === id);
  return packagePath ? join(root, packagePath) : join(root, 'public/samples', path);
}

describe('choosing precision', () => {
  const random = ['--samples', '40', '--provider', 'cpu', '--calibration-samples', '4'];

  test('search: a recommendation with its recipe, which optimize takes, and a state to go on from', async () => {
    const args = ['search', model, '--max-drop', 'abs:0.5', '--budget', '3', '--state', 'state.json', ...random];
    const { code, stdout, stderr } = await whittle([...args, '--recipe', 'best.json', '--json', 'search.json']);
    expect(stderr).not.toContain('Error');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\* .* pass$/m);
    expect(stdout).toContain('It is the smallest within the gate');
    const result = searchResultSchema.parse(JSON.parse(readFileSync(join(folder, 'search.json'), 'utf8')));
    const best = result.report.variants[result.recommended!]!;
    const built = await whittle([
      'optimize',
      model,
      '--recipe',
      'best.json',
      '--task',
      'random',
      '-o',
      'best.onnx',
      '--json',
      '-',
    ]);
    expect(JSON.parse(built.stdout).facts.fileBytes).toBe(best.facts!.fileBytes);
    const again = await whittle([...args, '--json', '-']);
    expect(JSON.parse(again.stdout)).toMatchObject({ recommended: result.recommended, points: result.points });
    writeFileSync(join(folder, 'state.json'), '{"format":"something else"}');
    const other = await whittle(args);
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('is no state of this command');
  });

  test('search: nothing within the gate is exit code 1', async () => {
    const { code, stdout } = await whittle(['search', model, '--max-drop', '0', '--budget', '1', ...random]);
    expect(code).toBe(1);
    expect(stdout).toContain('Nothing stays within the gate');
    const wrong = await whittle(['search', model, '--objective', 'beauty']);
    expect(wrong.code).toBe(2);
  });

  test('sensitivity and lens: ranked tables, all of it as JSON', async () => {
    const table = await whittle(['sensitivity', model, '--candidates', '2,4', '--samples', '3']);
    expect(table.code).toBe(0);
    expect(table.stdout).toMatch(/^layer +operator +bytes +2: loss +alone +4: loss +alone$/m);
    expect(table.stdout).toContain('3 generated inputs, which say little about real data');
    const json = await whittle(['sensitivity', model, '--candidates', '2,4', '--samples', '3', '--json', '-']);
    const { layers } = sensitivityResultSchema.parse(JSON.parse(json.stdout));
    expect(layers.length).toBeGreaterThan(0);
    const names = layers.map(({ name, points }) => [name, Math.max(...points.map(({ loss }) => loss))] as const);
    const ranked = [...names].sort((a, b) => b[1] - a[1]).map(([name]) => name);
    const shown = table.stdout.split('\n').map((line) => line.split(/ +/)[0]!);
    expect(shown.filter((name) => ranked.includes(name))).toEqual(ranked);

    const lens = await whittle(['lens', model, '--preset', 'int4-rtn', '--samples', '3']);
    expect(lens.code).toBe(0);
    expect(lens.stdout).toMatch(/MatMul .* dB/);
    const whole = await whittle(['lens', model, '--preset', 'int4-rtn', '--samples', '3', '--json', '-']);
    expect(lensResultSchema.parse(JSON.parse(whole.stdout)).samples).toBe(3);
    expect((await whittle(['lens', model])).code).toBe(2);
    expect((await whittle(['sensitivity', model, '--candidates', '5'])).code).toBe(2);
    const alone = ['sensitivity', model, '--candidates', '2', '--samples', '3', '--metric', '--metric-layers', '2'];
    const metric = await whittle([...alone, '--metric-samples', '4']);
    expect(metric.code).toBe(0);
    expect(metric.stdout).toMatch(/^layer alone +in +.* +worse by +between$/m);
    const [, own] = metric.stdout.split('layer alone');
    expect(own!.split('\n')[1]!.split(/ +/).slice(0, 2)).toEqual([ranked[0], '2']);
    expect(metric.stdout).toContain('on 4 samples');
    const misplaced = await whittle(['sensitivity', model, '--metric-layers', '2']);
    expect(misplaced.code).toBe(2);
    expect(misplaced.stderr).toContain('--metric-layers goes with --metric');
  });

  test('handover: what there is, one format, and no counterpart as exit code 1', async () => {
    const list = await whittle(['handover', '--preset', 'int4-awq']);
    expect(list.code).toBe(0);
    expect(list.stdout).toMatch(/^onnxruntime +none +AWQ/m);
    expect(list.stdout).toMatch(/^llm-compressor +approximate/m);
    const script = await whittle(['handover', '--preset', 'int4-rtn', '--to', 'onnxruntime', '--model', 'det.onnx']);
    expect(script.stdout).toContain('MODEL = "det.onnx"');
    const place = join(folder, 'new/place');
    const written = await whittle(['handover', '--preset', 'int8-static', '--to', 'olive', '-o', place]);
    expect(written.code).toBe(0);
    expect(readFileSync(join(place, 'olive.yaml'), 'utf8')).toContain('OnnxStaticQuantization');
    expect(existsSync(join(place, 'calibration.py'))).toBe(true);
    const none = await whittle(['handover', '--preset', 'int4-awq', '--to', 'onnxruntime']);
    expect(none.code).toBe(1);
    expect(none.stderr).toContain('has no counterpart');
    expect((await whittle(['handover', '--preset', 'int4-awq', '--to', 'word'])).code).toBe(2);
  });

  test('diff: what a recipe changes and by which step, two files, and no differences as exit code 0', async () => {
    const made = await whittle(['diff', model, '--preset', 'int4-rtn']);
    expect(made.code).toBe(1);
    expect(made.stdout).toMatch(/^replaced +MatMul → MatMulNBits .*Weight-only/m);
    await whittle(['optimize', model, '--preset', 'int4-rtn', '-o', 'four.onnx']);
    const files = await whittle(['diff', model, 'four.onnx', '--json']);
    expect(JSON.parse(files.stdout).counts.replaced + JSON.parse(files.stdout).counts.fused).toBeGreaterThan(0);
    const same = await whittle(['diff', model, model]);
    expect(same.code).toBe(0);
    expect(same.stdout).toContain('no differences');
    expect((await whittle(['diff', model])).code).toBe(2);
  });
});
