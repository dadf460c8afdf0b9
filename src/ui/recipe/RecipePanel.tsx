import { ChevronRight, Copy } from 'lucide-react';
import type { ReactNode } from 'react';
import type { Recipe } from '../../core/recipe/schema.ts';
import type { StepSection } from '../../core/step/define.ts';
import { duplicateVariant } from '../../state/actions/variants.ts';
import { hasStep, stepChoices, stepsOf } from '../../state/recipe-edit.ts';
import { selectComparison, type VariantRow } from '../../state/rows.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import { Note } from '../components/Note.tsx';
import { GroupRow } from './GroupRow.tsx';
import { OperatorProfileField } from './OperatorProfileField.tsx';
import { RuntimeSection } from './RuntimeSection.tsx';
import styles from './recipe.module.css';
import { StepRow } from './StepRow.tsx';

const SECTIONS: readonly { readonly id: StepSection; readonly title: string }[] = [
  { id: 'quantization', title: 'Quantization' },
  { id: 'fusion', title: 'Fusion' },
  { id: 'cleanup', title: 'Cleanup' },
];

/** The recipe of the selected variant as a form, drawn from the schemas of the steps. */
export function RecipePanel() {
  const targets = useStudio((state) => selectComparison(state).targets);
  const row = useStudio((state) => selectComparison(state).rows.find(({ id }) => id === state.selectedId));
  if (!row) return null;
  const edit = (change: (recipe: Recipe) => Recipe, tag?: string) => studio.getState().editRecipe(row.id, change, tag);
  if (row.isBaseline)
    return (
      <section className={styles.panel} aria-label="Recipe">
        <PanelTitle row={row} />
        <Note
          level="info"
          action={
            <Button onClick={() => duplicateVariant(row.id)}>
              <Copy size={14} /> Make a variant of it
            </Button>
          }
        >
          This is the model as it was loaded. The others are compared with it, so it has no settings.
        </Note>
      </section>
    );
  return (
    <section className={styles.panel} aria-label="Recipe">
      <PanelTitle row={row} />
      {SECTIONS.map(({ id, title }) => {
        const steps = stepsOf(id);
        const on = steps.filter((step) => hasStep(row.recipe, step.id)).length;
        return (
          <Section key={id} title={title} count={sectionCount(id, on, steps.length)} open={id === 'quantization'}>
            {id === 'fusion' && <OperatorProfileField recipe={row.recipe} edit={edit} />}
            <div className={styles.steps}>
              {stepChoices(id).map((choice) =>
                choice.kind === 'one-of' ? (
                  <GroupRow
                    key={choice.group}
                    group={choice.group}
                    steps={choice.steps}
                    recipe={row.recipe}
                    targets={targets}
                    fired={(stepId) => firedCount(row, stepId)}
                    edit={edit}
                  />
                ) : (
                  <StepRow
                    key={choice.step.id}
                    definition={choice.step}
                    recipe={row.recipe}
                    targets={targets}
                    fired={firedCount(row, choice.step.id)}
                    edit={edit}
                  />
                ),
              )}
            </div>
          </Section>
        );
      })}
      <Section title="Runtime" count={`level ${row.recipe.runtime.graphOptimizationLevel}`} open={false}>
        <RuntimeSection recipe={row.recipe} row={row} edit={edit} />
      </Section>
    </section>
  );
}

function PanelTitle({ row }: { readonly row: VariantRow }) {
  return (
    <h2 className={styles.title}>
      <span>
        Recipe of {row.isBaseline ? '' : `${row.letter} `}
        {row.name}
      </span>
      {row.state === 'stale' && <span className={styles.tag}>changed since it was run</span>}
    </h2>
  );
}

/** Of quantizers that exclude each other nobody switches on all. */
function sectionCount(section: StepSection, on: number, all: number): string {
  if (section !== 'quantization') return `${on} of ${all} on`;
  return on === 0 ? 'off' : `${on} on`;
}

function firedCount(row: VariantRow, stepId: string): number | null {
  if (row.state !== 'fresh') return null;
  return row.facts?.ledger.find(({ step }) => step === stepId)?.fired ?? null;
}

interface SectionProps {
  readonly title: string;
  readonly count: string;
  readonly open: boolean;
  readonly children: ReactNode;
}

function Section({ title, count, open, children }: SectionProps) {
  return (
    <details className={styles.section} open={open}>
      <summary className={styles.summary}>
        <ChevronRight size={14} aria-hidden className={styles.chevron} />
        {title}
        <span className={styles.count}>{count}</span>
      </summary>
      {children}
    </details>
  );
}
