import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { StudioError } from '../../../../src/core/base/errors/index.ts';
import { memorySource } from '../../../../src/core/base/memory-source.ts';
import { quietJob } from '../../../../src/core/base/progress.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { forEachNode } from '../../../../src/core/ir/walk.ts';
import { readModel } from '../../../../src/core/onnx/read.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import { defineStep, runsEverywhere, type StepContext, type StepDefinition } from '../../../../src/core/step/define.ts';
import { runSteps } from '../../../../src/core/step/run-steps.ts';
import { ledgerStepSchema } from '../../../../src/core/study/results.ts';
import { apply, expectSameOutputs, memoryStore, model, node, noise, opsOf, scalar } from '../passes/helpers.ts';

const subject = () =>
  model({
    inputs: { x: [2, 4, 6, 6] },
    outputs: ['y'],
    weights: { w: noise('w', [6, 4, 3, 3]), a: noise('a', [6]), unused: noise('u', [500]) },
    nodes: [
      node('k = Constant()', { value: scalar(2) }),
      'c = Conv(x, w)',
      'd = Mul(c, k)',
      'i = Identity(d)',
      'y = Relu(i)',
    ],
  });

function stepThat(
  run: (ctx: StepContext) => void | Promise<void>,
  section: StepDefinition['section'] = 'cleanup',
): StepDefinition {
  return defineStep({
    id: 'test-step',
    title: 'Test step',
    summary: '',
    section,
    order: 100,
    params: z.object({}),
    precision: 'exact',
    needs: {},
    source: 'none',
    runsOn: () => runsEverywhere,
    run: async (ctx) => run(ctx),
  });
}

const options = (definition: StepDefinition, given: Model = subject()) => ({
  model: given,
  steps: [{ definition, params: {} }],
  job: quietJob,
  store: memoryStore,
});

describe('runSteps', () => {
  it('works on a copy, goes round until nothing fires, and keeps the outputs', async () => {
    const before = subject();
    const bytes = await modelToBytes(before);
    // In this order the first round cannot do it all: the Conv is followed by its factor only once that is lifted.
    const after = await apply(before, [
      'fuse-conv-arithmetic',
      'eliminate-dead',
      'eliminate-identity',
      'lift-constants',
    ]);
    expect(opsOf(after.model)).toEqual(['Conv', 'Relu']);
    expect(after.settled).toBe(true);
    expect(after.rounds).toBeGreaterThan(1);
    expect(Buffer.from(await modelToBytes(before)).equals(Buffer.from(bytes))).toBe(true);
    await expectSameOutputs(before, after.model, { relative: 1e-5 });
  });

  it('gives one ledger row a step, whose differences add up to the whole', async () => {
    const before = subject();
    const after = await apply(before, [
      'lift-constants',
      'eliminate-identity',
      'fuse-conv-arithmetic',
      'eliminate-dead',
    ]);
    for (const row of after.ledger) expect(ledgerStepSchema.safeParse(row).success).toBe(true);
    expect(after.ledger.map((row) => row.step)).toEqual([
      'lift-constants',
      'eliminate-identity',
      'fuse-conv-arithmetic',
      'eliminate-dead',
    ]);
    const count = (given: Model) => {
      let nodes = 0;
      forEachNode(given, () => {
        nodes += 1;
      });
      return nodes;
    };
    const difference = after.ledger.reduce((total, row) => total + row.nodesAfter - row.nodesBefore, 0);
    expect(difference).toBe(count(after.model) - count(before));
    const dead = after.ledger.at(-1)!;
    expect(dead.fired).toBe(3);
    expect(dead.entries.map(({ from }) => from[0]).sort()).toEqual(['a', 'k', 'unused']);
    expect(dead.fileBytesBefore - dead.fileBytesAfter).toBeGreaterThan(2000);
  });

  it('knows file sizes to within a thousandth without writing, real models included', async () => {
    const path = new URL('../../../../node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx', import.meta.url);
    const silero = await readModel(memorySource('silero', new Uint8Array(readFileSync(path))));
    for (const before of [subject(), silero]) {
      const after = await apply(before, ['lift-constants', 'eliminate-dead']);
      const exact = async (given: Model) => (await modelToBytes(given)).byteLength;
      const rows = after.ledger;
      expect(Math.abs(rows[0]!.fileBytesBefore / (await exact(before)) - 1)).toBeLessThan(1e-3);
      const last = rows.reduce(
        (bytes, row) => bytes + row.fileBytesAfter - row.fileBytesBefore,
        rows[0]!.fileBytesBefore,
      );
      expect(Math.abs(last / (await exact(after.model)) - 1)).toBeLessThan(1e-3);
    }
  });

  it('stops at the bound when a step never rests', async () => {
    const restless = stepThat((ctx) => ctx.ledger.record('again', []));
    const outcome = await runSteps({ ...options(restless), maxRounds: 4 });
    expect(outcome.settled).toBe(false);
    expect(outcome.rounds).toBe(4);
    expect(outcome.ledger[0]!.fired).toBe(4);
  });

  it('runs quantization steps once, after the others', async () => {
    let runs = 0;
    const quantizer = stepThat((ctx) => {
      runs += 1;
      ctx.ledger.record('quantized', []);
    }, 'quantization');
    await runSteps(options(quantizer));
    expect(runs).toBe(1);
  });

  it('names the step in an unexpected error and passes expected ones through', async () => {
    const faulty = stepThat(() => {
      throw new TypeError('x is not a function');
    });
    await expect(runSteps(options(faulty))).rejects.toMatchObject({ code: 'pass/failed', data: { step: 'Test step' } });
    const refusing = stepThat(() => {
      throw new StudioError('pass/bad-weight', { tensor: 'w', reason: 'holds NaN' });
    });
    await expect(runSteps(options(refusing))).rejects.toMatchObject({ code: 'pass/bad-weight' });
  });

  it('reports a step that leaves an invalid graph, when asked to look', async () => {
    const breaking = stepThat((ctx) => {
      ctx.model.graph.nodes = ctx.model.graph.nodes.slice(1);
      ctx.ledger.record('broke it', []);
    });
    await expect(runSteps({ ...options(breaking), validate: true })).rejects.toMatchObject({ code: 'pass/failed' });
  });

  it('stops when cancelled, before the next step', async () => {
    const controller = new AbortController();
    const cancelling = stepThat((ctx) => {
      controller.abort();
      ctx.ledger.record('ran', []);
    });
    const job = { ...quietJob, signal: controller.signal };
    await expect(runSteps({ ...options(cancelling), job })).rejects.toMatchObject({ code: 'job/cancelled' });
  });

  it('infers shapes once a round for cleanup, and afresh for quantization', async () => {
    const tables: unknown[] = [];
    const look = async (ctx: StepContext) => {
      tables.push(await ctx.shapes());
      if (tables.length === 1) ctx.ledger.record('once', []);
      tables.push(await ctx.shapes());
    };
    await runSteps(options(stepThat(look)));
    expect(tables[1]).toBe(tables[0]);
    expect(tables[2]).not.toBe(tables[1]);
    expect(tables[3]).toBe(tables[2]);
    tables.length = 0;
    await runSteps(options(stepThat(look, 'quantization')));
    expect(tables[1]).not.toBe(tables[0]);
  });
});
