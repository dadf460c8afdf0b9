/**
 * Every official ONNX test case (opsets 1 to 17 by onnx 1.12, to 28 by onnx 1.23) with the declared types of its outputs
 * removed: what inference finds must agree with the outputs that the case really has, and must be at least what
 * onnx.shape_inference of that version finds.
 */
import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { memorySource } from '../../../../src/core/base/memory-source.ts';
import { dtypeFromOnnx } from '../../../../src/core/ir/dtype.ts';
import type { Dim, Model } from '../../../../src/core/ir/types.ts';
import { readModel } from '../../../../src/core/onnx/read.ts';
import { inferShapes } from '../../../../src/core/shape/infer.ts';
import type { InferOptions, ShapeTable, ValueFacts } from '../../../../src/core/shape/types.ts';

interface Case {
  name: string;
  model: string;
  /** Real outputs: [dtype number, dims, elements of small ones]; null for sequences and optionals. */
  outputs: Record<string, [number, number[], number[] | null] | null>;
  inputShapes: Record<string, number[]>;
  inputValues: Record<string, number[]>;
  /** onnx.shape_inference 1.12 with data propagation: [dtype number, dims or null]. */
  onnx: Record<string, [number, Dim[] | null]> | null;
}

interface Suite {
  onnx: string;
  /** Cases whose outputs are known whole from the shapes of the inputs; and from small inputs' elements as well. */
  complete: { fromShapes: number; fromValues: number };
  /** Outputs whose very elements are computed, from the elements of small inputs. */
  elements: number;
}

const suites: Suite[] = [
  { onnx: '1.12', complete: { fromShapes: 931, fromValues: 1043 }, elements: 128 },
  { onnx: '1.23', complete: { fromShapes: 1574, fromValues: 1859 }, elements: 154 },
];

function casesOf({ onnx }: Suite): Case[] {
  const path = new URL(`../../../fixtures/shape/onnx-${onnx}-cases.json.br`, import.meta.url);
  return JSON.parse(brotliDecompressSync(readFileSync(path)).toString()) as Case[];
}

async function readCase({ name, model }: Case): Promise<Model> {
  const read = await readModel(memorySource(name, new Uint8Array(Buffer.from(model, 'base64'))));
  for (const output of read.graph.outputs) delete output.type;
  read.graph.valueInfo.clear();
  return read;
}

interface Outcome {
  complete: string[];
  /** Outputs whose elements inference computed, and got right. */
  elements: number;
  wrong: string[];
}

/** Compares the outputs of every case with the real ones. */
function check(cases: readonly Case[], models: readonly Model[], optionsOf: (test: Case) => InferOptions): Outcome {
  const outcome: Outcome = { complete: [], elements: 0, wrong: [] };
  for (const [index, test] of cases.entries()) {
    const table = inferShapes(models[index]!, optionsOf(test));
    let isComplete = true;
    for (const [value, real] of Object.entries(test.outputs)) {
      if (!real) continue;
      const facts = table.get(value);
      const dims = facts?.shape;
      isComplete &&= facts?.dtype !== undefined && (dims?.every((dim) => typeof dim === 'number') ?? false);
      const problem = contradiction(facts, real);
      if (problem) outcome.wrong.push(`${test.name} ${value}: ${problem}`);
      const elements = table.constants.get(value);
      if (!elements || !real[2]) continue;
      outcome.elements += 1;
      if (!elementsAgree(elements, real[2]))
        outcome.wrong.push(`${test.name} ${value}: elements ${elements}, really ${real[2]}`);
    }
    if (isComplete) outcome.complete.push(test.name);
  }
  return outcome;
}

/** Exact for integers; float32 arithmetic may differ in the last place. */
function elementsAgree(found: readonly Dim[], real: readonly number[]): boolean {
  return (
    found.length === real.length &&
    found.every(
      (element, at) => typeof element !== 'number' || Math.abs(element - real[at]!) <= 1e-6 * Math.abs(real[at]!),
    )
  );
}

function contradiction(
  facts: ValueFacts | undefined,
  [dtype, dims]: readonly [number, readonly number[], ...unknown[]],
): string | undefined {
  if (facts?.dtype && facts.dtype !== dtypeFromOnnx(dtype)) return `${facts.dtype}, really ${dtypeFromOnnx(dtype)}`;
  const shape = facts?.shape;
  if (!shape) return undefined;
  const agrees =
    shape.length === dims.length && shape.every((dim, axis) => typeof dim !== 'number' || dim === dims[axis]);
  return agrees ? undefined : `[${shape}], really [${dims}]`;
}

/** What the reference knows and we do not. */
function missing(table: ShapeTable, reference: NonNullable<Case['onnx']>): string[] {
  const gaps: string[] = [];
  for (const [value, [dtype, dims]] of Object.entries(reference)) {
    const facts = table.get(value);
    if (dtype !== 0 && facts?.dtype !== dtypeFromOnnx(dtype)) gaps.push(`${value}: dtype ${facts?.dtype}`);
    if (!dims) continue;
    if (facts?.shape?.length !== dims.length)
      gaps.push(`${value}: rank ${facts?.shape?.length}, reference ${dims.length}`);
    else
      for (const [axis, dim] of dims.entries())
        if (typeof dim === 'number' && facts.shape[axis] !== dim)
          gaps.push(`${value}: dimension ${axis} ${facts.shape[axis]}, reference ${dim}`);
  }
  return gaps;
}

describe.each(suites)('official test cases of onnx $onnx', (suite) => {
  const cases = casesOf(suite);
  let models: Model[] = [];
  beforeAll(async () => {
    models = await Promise.all(cases.map(readCase));
  });

  it('agree with the real outputs, given the shapes of the inputs', () => {
    const { complete, wrong } = check(cases, models, () => ({}));
    expect(wrong).toEqual([]);
    expect(complete.length).toBeGreaterThanOrEqual(suite.complete.fromShapes);
  });

  it('agree with the real outputs, given the elements of small inputs too', () => {
    const { complete, elements, wrong } = check(cases, models, ({ inputShapes, inputValues }) => ({
      inputShapes,
      inputValues,
    }));
    expect(wrong).toEqual([]);
    expect(complete.length).toBeGreaterThanOrEqual(suite.complete.fromValues);
    expect(elements).toBeGreaterThanOrEqual(suite.elements);
  });

  it('are known at least as well as onnx.shape_inference knows them', () => {
    const gaps: string[] = [];
    for (const [index, test] of cases.entries())
      if (test.onnx)
        for (const gap of missing(inferShapes(models[index]!), test.onnx)) gaps.push(`${test.name} ${gap}`);
    expect(gaps).toEqual([]);
  });
});
