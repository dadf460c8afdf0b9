import { it } from 'vitest';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { cloneModel } from '../../../../src/core/ir/clone.ts';
import { inferShapes } from '../../../../src/core/shape/infer.ts';
import { modelCost } from '../../../../src/core/analysis/cost.ts';
import { memoryPlan } from '../../../../src/core/analysis/liveness.ts';
import { modelSize } from '../../../../src/core/step/model-size.ts';
import { simplifySteps } from '../../../../src/core/recipe/presets.ts';
import { resolveSteps } from '../../../../src/core/recipe/parse.ts';
import { runSteps } from '../../../../src/core/step/run-steps.ts';
import { memoryStore, model, noise, scalar, ints } from '../passes/helpers.ts';
function layers(count: number) {
  const nodes: string[] = []; const weights: any = { w: noise('w', [8, 8]), b: noise('b', [8]), s: scalar(Math.SQRT2), one: scalar(1), half: scalar(0.5), perm: ints(-1, 8) };
  let x = 'x';
  for (let i = 0; i < count; i++) {
    nodes.push(`m${i} = MatMul(${x}, w)`, `a${i} = Add(m${i}, b)`, `d${i} = Div(a${i}, s)`, `e${i} = Erf(d${i})`, `f${i} = Add(e${i}, one)`, `g${i} = Mul(a${i}, f${i})`, `h${i} = Mul(g${i}, half)`, `i${i} = Identity(h${i})`, `r${i} = Reshape(i${i}, perm)`, `y${i} = Add(r${i}, ${x})`);
    x = `y${i}`;
  }
  return model({ inputs: { x: [4, 8] }, outputs: [x], weights, nodes });
}
const time = async (name: string, f: () => unknown) => { const t = performance.now(); await f(); process.stdout.write(`${name} ${(performance.now() - t).toFixed(0)} ms\n`); };
for (const n of [1000, 1000, 2000]) it(`${n}`, async () => {
  const m = layers(n);
  let t: any;
  await time(`nodes ${m.graph.nodes.length} clone`, () => cloneModel(m));
  await time('size', () => modelSize(m));
  await time('infer', () => { t = inferShapes(m); });
  await time('cost', () => modelCost(m, t));
  await time('plan', () => memoryPlan(m, t));
  const steps = resolveSteps(simplifySteps) as any;
  let out: any;
  await time('run', async () => { out = await runSteps({ model: m, steps: steps.value, job: quietJob, store: memoryStore, now: () => performance.now() }); });
  process.stdout.write(`rounds ${out.rounds} ${out.settled} nodes ${out.model.graph.nodes.length}\n` + out.ledger.map((r: any) => `${r.step} ${r.fired} ${r.durationMs.toFixed(0)}`).join('\n') + '\n');
});
