/** What a recipe becomes in other tools: the text as a snapshot, its syntax by the languages' own parsers. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allHandovers, handOver, handoverFormats } from '../../../../src/core/handover/all.ts';
import type { Handover } from '../../../../src/core/handover/types.ts';
import { canonicalRecipe, parseRecipe } from '../../../../src/core/recipe/parse.ts';
import { presets } from '../../../../src/core/recipe/presets.ts';
import type { Recipe } from '../../../../src/core/recipe/schema.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'whittle-handover-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function recipeOf(name: string, steps: { id: string; params?: Recipe['steps'][number]['params'] }[]): Recipe {
  const parsed = parseRecipe({ name, steps: steps.map(({ id, params = {} }) => ({ id, params })) });
  if (!parsed.ok) throw parsed.error;
  return parsed.value;
}

/** One recipe for each method, with settings that are not the default. */
const recipes: readonly Recipe[] = [
  recipeOf('FP16 with exceptions', [{ id: 'fp16', params: { nodeBlockList: ['*/norm*'], keepIoTypes: false } }]),
  recipeOf('Dynamic, one scale', [
    { id: 'dynamic-int8', params: { granularity: 'tensor', weightType: 'int8', exclude: ['/head/*', '[odd]'] } },
  ]),
  recipeOf('Static with ranges', [
    { id: 'smoothquant' },
    {
      id: 'static-int8',
      params: { method: 'percentile', percentile: 99.9, ranges: ['a "b"=-3.5..12'], form: 'qoperator' },
    },
  ]),
  recipeOf('Static, moving average', [
    { id: 'static-int8', params: { method: 'moving-average', activationType: 'int16' } },
  ]),
  recipeOf('RTN and embeddings', [
    { id: 'weight-only-rtn', params: { blockSize: 128, symmetric: true, accuracyLevel: 4, gemm: false } },
    { id: 'quantize-embeddings' },
  ]),
  recipeOf('HQQ', [{ id: 'weight-only-hqq', params: { include: ['/layers.1/*'] } }]),
  recipeOf('MSE, 8 bits', [{ id: 'weight-only-mse', params: { bits: 8, form: 'qdq' } }]),
  recipeOf('k-quant mixture', [{ id: 'weight-only-kquant', params: { mixture: 'k-m', overrides: ['*/v_proj/*=8'] } }]),
  recipeOf('GPTQ on AWQ factors', [{ id: 'weight-only-gptq', params: { scaling: 'awq', samples: 32 } }]),
  recipeOf('AWQ', [{ id: 'weight-only-awq' }]),
  recipeOf('3 bits', [{ id: 'weight-only-rtn', params: { bits: 3 } }]),
  recipeOf('NF4', [{ id: 'weight-only-bnb4', params: { doubleQuantization: true } }]),
  recipeOf('FP8', [{ id: 'fp8-qdq', params: { form: 'export' } }]),
  recipeOf('8-bit weights', [{ id: 'weight-int8' }]),
  recipeOf('BF16', [{ id: 'bf16' }]),
  recipeOf('LLM.int8()', [{ id: 'outlier-int8' }]),
];

const context = (recipe: Recipe) => ({
  recipe,
  modelFile: 'det.onnx',
  modelSha256: 'ab'.repeat(32),
  link: 'https://example.test/#w1.abc',
});

const filesOf = ({ fileName, text, companions = [] }: Handover) =>
  text === '' ? [] : [{ fileName, text }, ...companions];

/** All Python sources in one process; it names the first that does not parse. */
function checkPython(sources: readonly string[]): void {
  const path = join(folder, 'sources.json');
  writeFileSync(path, JSON.stringify(sources));
  const program = 'import ast, json, sys\nfor source in json.load(open(sys.argv[1])): ast.parse(source)';
  execFileSync('python3', ['-c', program, path], { stdio: 'pipe' });
}

describe('hand-over', () => {
  for (const recipe of recipes)
    test(`${recipe.name}: text and notes`, () => {
      for (const made of allHandovers(context(recipe)).slice(1)) {
        const { format, fit, notes } = made;
        expect({ format, fit, notes, files: filesOf(made) }).toMatchSnapshot(format);
      }
    });

  test('every preset and recipe gives sources that parse', () => {
    const all = [...presets.map(({ recipe }) => canonical(recipe)), ...recipes].flatMap((recipe) =>
      allHandovers(context(recipe)),
    );
    const files = all.flatMap(filesOf);
    checkPython(files.flatMap(({ fileName, text }) => (fileName.endsWith('.py') ? [text] : [])));
    for (const { fileName, text } of files) {
      if (fileName.endsWith('.json')) JSON.parse(text);
      // A YAML file here is comments and a JSON document, which YAML 1.2 contains.
      if (fileName.endsWith('.yaml')) JSON.parse(text.replace(/^#.*$/gm, ''));
      if (fileName.endsWith('.sh')) execFileSync('sh', ['-n'], { input: text, stdio: 'pipe' });
    }
    expect(files.length).toBeGreaterThan(80);
  });

  test('says of every step where it went', () => {
    for (const recipe of recipes)
      for (const made of allHandovers(context(recipe)).slice(1)) {
        const { exact, approximate, missing } = made.notes;
        if (made.fit === 'none') expect(missing, `${recipe.name}, ${made.format}`).not.toHaveLength(0);
        else expect(exact.length + approximate.length, `${recipe.name}, ${made.format}`).toBeGreaterThan(0);
        for (const sentence of [...exact, ...approximate, ...missing]) expect(sentence).toMatch(/\.$/);
        for (const sentence of [...exact, ...approximate, ...missing])
          if (made.text !== '') expect(unwrapped(made.text)).toContain(sentence);
      }
  });

  test('names that are code stay text', () => {
    const sources: string[] = [];
    const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(name, name, (evil, pattern) => {
        const recipe = {
          ...recipeOf('x', [{ id: 'weight-only-rtn', params: { exclude: [pattern] } }]),
          name: `${evil}\n"""\nimport os`,
        };
        for (const format of handoverFormats) {
          const made = handOver(format, { ...context(recipe), modelFile: `${evil}'";$(touch x)\n.onnx` });
          for (const { fileName, text } of filesOf(made)) {
            if (fileName.endsWith('.py')) sources.push(text);
            if (fileName.endsWith('.sh')) expect(text).not.toMatch(/^[^#\n]*touch/m);
          }
        }
      }),
      { seed: 7, numRuns: 60 },
    );
    checkPython(sources);
    for (const source of sources) expect(source).not.toMatch(/^import os/m);
  });
});

function canonical(recipe: Recipe): Recipe {
  const result = canonicalRecipe(recipe);
  if (!result.ok) throw result.error;
  return result.value;
}

/** Comments wrap. */
function unwrapped(text: string): string {
  return text.replace(/\n# {3}/g, ' ');
}
