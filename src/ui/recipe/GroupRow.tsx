import { useId, useState } from 'react';
import type { Recipe } from '../../core/recipe/schema.ts';
import { needsOf, type StepDefinition } from '../../core/step/define.ts';
import type { Target } from '../../core/study/schema.ts';
import { chooseStep, hasStep, paramsOf } from '../../state/recipe-edit.ts';
import controls from '../components/controls.module.css';
import styles from './recipe.module.css';
import { type EditRecipe, StepParams } from './StepParams.tsx';
import { AboutButton, AboutStep, FiredTag } from './StepRow.tsx';

interface GroupRowProps {
  readonly group: string;
  readonly steps: readonly StepDefinition[];
  readonly recipe: Recipe;
  readonly targets: readonly Target[];
  readonly fired: (stepId: string) => number | null;
  readonly edit: EditRecipe;
}

/** Steps that exclude each other are one question with one answer. */
export function GroupRow({ group, steps, recipe, targets, fired, edit }: GroupRowProps) {
  const [about, setAbout] = useState(false);
  const id = useId();
  const title = groupTitle(group);
  const chosen = steps.find((step) => hasStep(recipe, step.id));
  const calibrated = steps.filter((step) => needsOf(step, step.params.parse({})).calibration);
  const dataFree = steps.filter((step) => !calibrated.includes(step));
  return (
    <div className={styles.step} data-group={group} data-step={chosen?.id}>
      <div className={styles.stepHead}>
        <label className={styles.groupTitle} htmlFor={id}>
          {title}
        </label>
        {chosen && <FiredTag fired={fired(chosen.id)} />}
        {chosen && <AboutButton title={chosen.title} open={about} onToggle={() => setAbout(!about)} />}
      </div>
      <select
        id={id}
        className={controls.select}
        aria-describedby={chosen ? `${id}-summary` : undefined}
        value={chosen?.id ?? ''}
        onChange={(event) => {
          const next = event.target.value;
          edit((current) => chooseStep(current, group, next === '' ? null : next));
        }}
      >
        <option value="">As they are</option>
        <Options label="Without data" steps={dataFree} alone={calibrated.length === 0} />
        <Options label="With calibration inputs" steps={calibrated} alone={dataFree.length === 0} />
      </select>
      {chosen && (
        <>
          <p id={`${id}-summary`} className={styles.details}>
            {chosen.summary}
          </p>
          {about && <AboutStep definition={chosen} withoutSummary />}
          {needsOf(chosen, paramsOf(recipe, chosen)).calibration && (
            <p className={styles.details}>Measures activations on the task’s inputs while it is built.</p>
          )}
          <StepParams definition={chosen} {...{ recipe, targets, edit }} />
        </>
      )}
    </div>
  );
}

interface OptionsProps {
  readonly label: string;
  readonly steps: readonly StepDefinition[];
  /** There is nothing to be told apart from. */
  readonly alone: boolean;
}

function Options({ label, steps, alone }: OptionsProps) {
  const options = steps.map(({ id, title }) => (
    <option key={id} value={id}>
      {title}
    </option>
  ));
  if (steps.length === 0) return null;
  return alone ? options : <optgroup label={label}>{options}</optgroup>;
}

const GROUP_TITLES: Readonly<Record<string, string>> = { weights: 'Weights' };

/** "weights" -> "Weights"; groups of later steps go by their own name. */
export function groupTitle(group: string): string {
  const words = group.replaceAll('-', ' ');
  return GROUP_TITLES[group] ?? words.charAt(0).toUpperCase() + words.slice(1);
}
