/** Steps that were taken back, in a report. */
import { expect, test } from 'vitest';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { stepRegistry } from '../../../../src/core/recipe/registry.ts';
import { renderReport } from '../../../../src/core/report/render.ts';
import { runSteps } from '../../../../src/core/step/run-steps.ts';
import { ledgerStepSchema, type Report } from '../../../../src/core/study/results.ts';
import { fixtureReport, fixtureStudy } from '../../../fixtures/ui/report.ts';
import { memoryStore, ortExecutor } from '../passes/helpers.ts';
import { subject, wrong } from '../step/wrong-steps.ts';

const report = fixtureReport(fixtureStudy(['wasm']));

/** The last variant as built with two steps that compute something else. */
async function takenBack(): Promise<Report> {
  const identity = { definition: stepRegistry.get('eliminate-identity')!, params: {} };
  const steps = [identity, wrong('<one>'), wrong('other')];
  const common = { job: quietJob, store: memoryStore, executor: ortExecutor, proof: {} };
  const { ledger, proof } = await runSteps({ model: subject(), steps, ...common });
  const last = report.variants.at(-1)!;
  const facts = { ...last.facts!, ledger: ledgerStepSchema.array().parse(ledger), proof: proof! };
  return { ...report, variants: [...report.variants.slice(0, -1), { ...last, facts }] };
}

test('HTML names each of them and why, beside the steps that stayed', async () => {
  const html = renderReport(await takenBack(), 'html');
  const { name } = report.variants.at(-1)!.recipe;
  const line = html.split('<p>').find((part) => part.startsWith(`<b>${name}</b>, `))!;
  const [kept, ...notes] = line.slice(0, line.indexOf('</p>')).split('<br>');
  expect(kept).toMatch(/: Remove no-ops \(1×, -1 nodes\)$/);
  expect(notes).toEqual([
    expect.stringMatching(
      /^&quot;The step &lt;one&gt;&quot; was taken back: output &quot;y&quot; was off by 0\.0\d+ of/,
    ),
    expect.stringMatching(/^&quot;The step other&quot; was taken back: /),
    expect.stringMatching(/^Without the 2 steps that were taken back, the simplified model gives the original/),
  ]);
  expect(renderReport(report, 'html')).not.toContain('taken back');
});
