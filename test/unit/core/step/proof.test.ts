/** What the run does with steps that lie: one that computes something else, one that makes the model larger. */
import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { stepRegistry } from '../../../../src/core/recipe/registry.ts';
import type { Executor, StepDefinition } from '../../../../src/core/step/define.ts';
import { runSteps } from '../../../../src/core/step/run-steps.ts';
import { ledgerStepSchema, proofSchema } from '../../../../src/core/study/results.ts';
import {
  apply,
  expectSameOutputs,
  memoryStore,
  model,
  node,
  noise,
  noise as noiseOf,
  opsOf,
  ortExecutor,
  scalar,
} from '../passes/helpers.ts';
import { stepThat, subject, wrong } from './wrong-steps.ts';

const real = (id: string) => {
  const definition = stepRegistry.get(id)!;
  return { definition, params: definition.params.parse({}) };
};

const run = (steps: Parameters<typeof runSteps>[0]['steps'], executor: Executor = ortExecutor, given = subject()) =>
  runSteps({ model: given, steps, job: quietJob, store: memoryStore, executor, proof: {} });

describe('the proof', () => {
  it('keeps steps that compute the same, and says how near it came', async () => {
    const { proof, ledger, model: after } = await run([real('eliminate-identity'), real('fuse-matmul-add')]);
    expect(proof).toMatchObject({ status: 'kept', samples: 2 });
    expect(proof!.maxRelativeError).toBeLessThan(1e-5);
    expect(proofSchema.safeParse(proof).success).toBe(true);
    expect(ledger.every((row) => row.rolledBack === undefined)).toBe(true);
    expect(opsOf(after)).not.toContain('Identity');
  });

  it('finds the step that computes something else among others and takes it back', async () => {
    const steps = [real('eliminate-identity'), wrong(), real('fuse-matmul-add'), real('eliminate-dead')];
    const { proof, ledger, advisories, model: after } = await run(steps);
    expect(proof).toMatchObject({ status: 'rolled-back', samples: 2 });
    const [identity, culprit, gemm] = ledger;
    expect(identity!.fired).toBe(1);
    expect(gemm!.fired).toBe(1);
    expect(culprit).toMatchObject({ step: 'wrong', fired: 0, entries: [] });
    expect(culprit!.rolledBack).toMatchObject({ reason: 'drift', output: 'y', fired: 1, tolerance: 5e-4 });
    expect(culprit!.rolledBack!.maxRelativeError).toBeGreaterThan(1e-3);
    expect(culprit!.nodesAfter).toBe(culprit!.nodesBefore);
    expect(advisories).toContainEqual(expect.objectContaining({ level: 'warning', code: 'steps/drift' }));
    expect(advisories[0]!.message).toMatch(
      /"The step wrong" was taken back: output "y" was off by 0\.0\d+ of its range/,
    );
    for (const row of ledger) expect(ledgerStepSchema.safeParse(row).error).toBeUndefined();
    expect(opsOf(after)).toContain('Relu');
    await expectSameOutputs(subject(), after, { relative: 1e-5 });
  });

  it('takes back several, a model that does not run any more among them', async () => {
    const breaking = stepThat('breaking', ({ model: draft, ledger }) => {
      const [matmul] = draft.graph.nodes;
      if (matmul!.inputs[1] === 'b') return;
      matmul!.inputs = ['x', 'b'];
      matmul!.opType = 'Conv';
      ledger.record('broke it', ['m']);
    });
    const { ledger, model: after } = await run([breaking, real('eliminate-identity'), wrong(), wrong('again')]);
    const undone = ledger.filter((row) => row.rolledBack).map((row) => row.step);
    expect(undone).toEqual(['breaking', 'wrong', 'again']);
    expect(ledger[0]!.rolledBack!.maxRelativeError).toBeNull();
    expect(ledger[0]!.rolledBack!.message).toContain('did not run');
    await expectSameOutputs(subject(), after, { relative: 0 });
  });

  it('sees what only the inputs of the task show', async () => {
    // Wrong beyond 1,000 only, which no generated input reaches.
    const far = stepThat('far', ({ model: draft, ledger }) => {
      if (draft.graph.nodes.some(({ opType }) => opType === 'Clip')) return;
      draft.graph.initializers.set('low', { ...scalar(-1000), name: 'low' });
      draft.graph.initializers.set('high', { ...scalar(1000), name: 'high' });
      draft.graph.nodes[0]!.inputs[0] = 'clipped';
      draft.graph.nodes.unshift(node('clipped = Clip(x, low, high)'));
      ledger.record('clipped', ['m']);
    });
    const options = { model: subject(), steps: [far], job: quietJob, store: memoryStore, executor: ortExecutor };
    expect((await runSteps({ ...options, proof: {} })).proof!.status).toBe('kept');
    const large = noiseOf('large', [1, 8], 'float32', 1e5).data;
    const feeds = new Map([
      ['x', { dtype: 'float32' as const, dims: [1, 8], data: large.kind === 'bytes' ? large.bytes : new Uint8Array() }],
    ]);
    const inputs = {
      origin: 'task-inputs' as const,
      async *feeds() {
        yield feeds;
      },
    };
    const { proof, ledger } = await runSteps({ ...options, proof: { inputs } });
    expect(proof).toMatchObject({ status: 'rolled-back', samples: 3 });
    expect(ledger[0]!.rolledBack!.reason).toBe('drift');
  });

  it('is skipped with the reason: no executor, an original that does not run, chance, nothing changed', async () => {
    const options = { steps: [wrong()], job: quietJob, store: memoryStore, proof: {} };
    const without = await runSteps({ ...options, model: subject() });
    expect(without.proof).toMatchObject({ status: 'skipped', reason: 'this host cannot run models' });
    const broken = subject();
    broken.graph.nodes[0]!.inputs[1] = 'b2';
    broken.graph.initializers.set('b2', { ...noise('b', [5, 5]), name: 'b2' });
    const { proof } = await run([wrong()], ortExecutor, broken);
    expect(proof!.status).toBe('skipped');
    expect(proof!.reason).toMatch(/^the original does not run on them/);
    // The runtime's random operators give the same numbers in every session, so chance is made here.
    let turn = 0;
    const dice: Executor = {
      run: async (bytes, feeds) => {
        const outputs = await ortExecutor.run(bytes, feeds);
        turn += 1;
        return new Map(
          [...outputs].map(([name, value]) => [name, { ...value, data: value.data.map(() => 60 + turn) }]),
        );
      },
    };
    expect((await run([wrong()], dice)).proof!.reason).toContain('other outputs each time');
    expect((await run([real('fuse-gelu')])).proof!.reason).toBe('no step changed the model');
  });

  it('stops when cancelled between its runs', async () => {
    const controller = new AbortController();
    const stages: string[] = [];
    const job = {
      ...quietJob,
      signal: controller.signal,
      onProgress: ({ stage }: { stage: string }) => {
        stages.push(stage);
        if (stage === 'checking against the original') controller.abort();
      },
    };
    const asked = runSteps({
      model: subject(),
      steps: [wrong()],
      job,
      store: memoryStore,
      executor: ortExecutor,
      proof: {},
    });
    await expect(asked).rejects.toMatchObject({ code: 'job/cancelled' });
    expect(stages).toContain('running the original');
  });

  it('asks nothing of quantization steps', async () => {
    const lossy = {
      ...wrong(),
      definition: { ...wrong().definition, section: 'quantization', precision: 'lossy' } as StepDefinition,
    };
    const { ledger, proof } = await run([real('eliminate-identity'), lossy]);
    expect(proof!.status).toBe('kept');
    expect(ledger[1]).toMatchObject({ fired: 1 });
    expect(ledger[1]!.rolledBack).toBeUndefined();
  });
});

describe('the size budget', () => {
  const growing = (bytes: number) =>
    stepThat(
      'growing',
      ({ model: draft, ledger }) => {
        if (draft.graph.initializers.has('more')) return;
        draft.graph.initializers.set('more', { ...noise('more', [50_000]), name: 'more' });
        ledger.record('grew', ['w']);
      },
      { growth: { bytes } },
    );

  it('takes back a step that outgrows it and goes on without', async () => {
    const { ledger, advisories, model: after } = await run([growing(100_000), real('eliminate-identity')]);
    expect(ledger[0]).toMatchObject({ fired: 0, rolledBack: { reason: 'growth', fired: 1 } });
    expect(ledger[0]!.rolledBack!.message).toMatch(/larger by 0 nodes and 2000\d\d bytes/);
    expect(advisories).toContainEqual(expect.objectContaining({ code: 'steps/growth' }));
    expect(after.graph.initializers.has('more')).toBe(false);
    expect(ledger[1]!.fired).toBe(1);
  });

  it('leaves one within its own budget', async () => {
    const { ledger, model: after } = await run([growing(300_000)]);
    expect(ledger[0]).toMatchObject({ fired: 1 });
    expect(ledger[0]!.rolledBack).toBeUndefined();
    expect(after.graph.initializers.has('more')).toBe(true);
  });

  it('counts nodes too', async () => {
    const chain = stepThat('chain', ({ model: draft, ledger }) => {
      if (draft.graph.nodes.length > 10) return;
      const last = draft.graph.nodes.at(-1)!;
      last.outputs = ['z0'];
      for (let at = 0; at < 40; at++)
        draft.graph.nodes.push(node(`${at === 39 ? 'z' : `z${at + 1}`} = Identity(z${at})`));
      ledger.record('made a chain', ['z']);
    });
    const { ledger } = await run([chain]);
    expect(ledger[0]!.rolledBack!.reason).toBe('growth');
  });

  it('holds for folding: together no more than a tenth of the model and 16 times the largest constant', async () => {
    const many = model({
      inputs: { x: [1] },
      outputs: Array.from({ length: 20 }, (_, at) => `y${at}`),
      weights: Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`s${at}`, scalar(at, 'float32')])),
      nodes: Array.from({ length: 20 }, (_, at) => [
        node(`size${at} = Constant()`, { value_ints: [90] }),
        `e${at} = Expand(s${at}, size${at})`,
        `y${at} = Add(e${at}, x)`,
      ]).flat(),
    });
    const params = { 'fold-constants': { maxOutputBytes: 400 } };
    const { ledger } = await apply(many, ['lift-constants', 'fold-constants'], { params });
    expect(ledger[1]!.rolledBack).toMatchObject({ reason: 'growth', fired: 20 });
  });
});

describe('the ledger', () => {
  it('has MACs and the peak of activations before and after each step', async () => {
    const given = model({
      inputs: { x: [16, 8] },
      outputs: ['y'],
      weights: { w: noise('w', [8, 8]), b: noise('b', [8]) },
      nodes: ['m = MatMul(x, w)', 'unused = MatMul(x, w)', 'a = Add(m, b)', 'y = Relu(a)'],
    });
    const { ledger } = await run([real('eliminate-dead'), real('fuse-matmul-add')], ortExecutor, given);
    expect(ledger[0]).toMatchObject({ macsBefore: 2 * 16 * 8 * 8, macsAfter: 16 * 8 * 8 });
    expect(ledger[1]).toMatchObject({ macsBefore: 16 * 8 * 8, macsAfter: 16 * 8 * 8 });
    for (const row of ledger) expect(row.peakActivationBytesAfter).toBeGreaterThanOrEqual(16 * 8 * 4);
  });

  it('does not know them where a size is free, unless it is told', async () => {
    const options = { model: subject(), steps: [real('eliminate-identity')], job: quietJob, store: memoryStore };
    expect((await runSteps(options)).ledger[0]).toMatchObject({ macsBefore: null, peakActivationBytesAfter: null });
    expect((await runSteps({ ...options, dims: { n: 4 } })).ledger[0]).toMatchObject({ macsBefore: 4 * 64 });
  });
});
