// @vitest-environment happy-dom
import { cleanup, render, screen, within } from '@testing-library/react';
import { createElement } from 'react';
import { afterEach, describe, expect, it } from 'vitest';
import { quietJob } from '../../../src/core/base/progress.ts';
import { stepRegistry } from '../../../src/core/recipe/registry.ts';
import { runSteps } from '../../../src/core/step/run-steps.ts';
import { ledgerStepSchema } from '../../../src/core/study/results.ts';
import { StepTable } from '../../../src/ui/details/StepTable.tsx';
import { fixtureReport, fixtureStudy } from '../../fixtures/ui/report.ts';
import { memoryStore, ortExecutor } from '../core/passes/helpers.ts';
import { subject, wrong } from '../core/step/wrong-steps.ts';

afterEach(cleanup);

/** The table of a variant that these steps made, with the proof of their run. */
async function draw(steps: Parameters<typeof runSteps>[0]['steps']): Promise<void> {
  const common = { job: quietJob, store: memoryStore, executor: ortExecutor, proof: {} };
  const { ledger, proof } = await runSteps({ model: subject(), steps, ...common });
  const facts = {
    ...fixtureReport(fixtureStudy(['wasm'])).variants[1]!.facts!,
    ledger: ledgerStepSchema.array().parse(ledger),
    proof: proof!,
  };
  render(createElement(StepTable, { facts, variantId: 'b', originalId: 'a' }));
}

const cellsOf = (title: string) =>
  within(screen.getByRole('rowheader', { name: title }).closest('tr')!)
    .getAllByRole('cell')
    .map(({ textContent }) => textContent);
const identity = { definition: stepRegistry.get('eliminate-identity')!, params: {} };

describe('the step table', () => {
  it('shows a step that was taken back beside those that stayed, says what was wrong with it, and warns', async () => {
    await draw([identity, wrong()]);
    const [changes, nodes, file, , where] = cellsOf('The step wrong');
    expect([changes, nodes]).toEqual(['taken back', '4 → 4']);
    expect(file).not.toContain('→');
    expect(where).toMatch(
      /^"The step wrong" was taken back: output "y" was off by 0\.0\d+ of its range, 0\.0005 is allowed\.$/,
    );
    expect(cellsOf('Remove no-ops').slice(0, 2)).toEqual(['1', '5 → 4']);
    const note = screen.getByText(/^Without the step that was taken back, the simplified model gives the original's/);
    expect(within(note.parentElement!.parentElement!).getByLabelText('Warning')).toBeTruthy();
    expect(screen.queryByText(/^Nothing to do for/)).toBeNull();
  });

  it('warns of nothing where all steps stayed', async () => {
    await draw([identity]);
    screen.getByText(/^The simplified model gives the original's outputs on 2 inputs/);
    screen.getByLabelText('Note');
    expect(screen.queryByLabelText('Warning')).toBeNull();
    expect(screen.queryByText(/taken back/)).toBeNull();
  });
});
