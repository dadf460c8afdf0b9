/**
 * Every official ONNX test case (1072, opsets 1 to 17) with the declared types of its outputs removed: what inference finds
 * must agree with the outputs that the case really has, and must be at least what onnx.shape_inference finds.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
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
  /** Real outputs: [dtype number, dims], null for sequences and optionals. */
  outputs: Record<string, [number, number[]] | null>;
  inputShapes: Record<string, number[]>;
  inputValues: Record<string, number[]>;
  /** onnx.shape_inference 1.12 with data propagation: [dtype number, dims or null]. */
  onnx: Record<string, [number, Dim[] | null]> | null;
}

const path = new URL('../../../fixtures/shape/onnx-cases.json.gz', import.meta.url);
const cases = JSON.parse(gunzipSync(readFileSync(path)).toString()) as Case[];
const models = new Map<string, Model>();

beforeAll(async () => {
  for (const { name, model } of cases) {
    const read = await readModel(memorySource(name, new Uint8Array(Buffer.from(model, 'base64'))));
    for (const output of read.graph.outputs) delete output.type;
    read.graph.valueInfo.clear();
    models.set(name, read);
  }
});

interface Outcome {
  complete: string[];
  wrong: string[];
}

/** Compares the outputs of every case with the real ones. */
function check(optionsOf: (test: Case) => InferOptions): Outcome {
  const outcome: Outcome = { complete: [], wrong: [] };
  for (const test of cases) {
    const table = inferShapes(models.get(test.name)!, optionsOf(test));
    let isComplete = true;
    for (const [value, real] of Object.entries(test.outputs)) {
      if (!real) continue;
      const facts = table.get(value);
      const dims = facts?.shape;
      isComplete &&= facts?.dtype && dims?.every((dim) => typeof dim === 'number');
      const problem = contradiction(facts, real);
      if (problem) outcome.wrong.push(`${test.name} ${value}: ${problem}`);
    }
    if (isComplete) outcome.complete.push(test.name);
  }
  return outcome;
}

function contradiction(facts: ValueFacts | undefined, [dtype, dims]: [number, readonly number[]]): string | undefined {
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

describe('official test cases', () => {
  it('agree with the real outputs, and nearly all are inferred whole from input shapes', () => {
    const { complete, wrong } = check(() => ({}));
    expect(wrong).toEqual([]);
    expect(complete.length).toBeGreaterThanOrEqual(931);
  });

  it('agree with the real outputs when small inputs are given by value', () => {
    const { complete, wrong } = check(({ inputShapes, inputValues }) => ({ inputShapes, inputValues }));
    expect(wrong).toEqual([]);
    expect(complete.length).toBeGreaterThanOrEqual(1043);
  });

  it('are known at least as well as onnx.shape_inference knows them', () => {
    const gaps: string[] = [];
    for (const test of cases)
      if (test.onnx)
        for (const gap of missing(inferShapes(models.get(test.name)!), test.onnx)) gaps.push(`${test.name} ${gap}`);
    expect(gaps).toEqual([]);
  });
});
