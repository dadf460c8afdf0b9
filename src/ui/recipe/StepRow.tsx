import { Info } from 'lucide-react';
import { useState } from 'react';
import type { Recipe } from '../../core/recipe/schema.ts';
import type { StepDefinition } from '../../core/step/define.ts';
import type { Target } from '../../core/study/schema.ts';
import { hasStep, toggleStep } from '../../state/recipe-edit.ts';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import styles from './recipe.module.css';
import { type EditRecipe, StepParams } from './StepParams.tsx';

interface StepRowProps {
  readonly definition: StepDefinition;
  readonly recipe: Recipe;
  readonly targets: readonly Target[];
  /** How often it changed the graph when it last ran; null when it did not run. */
  readonly fired: number | null;
  readonly edit: EditRecipe;
}

const PRECISION = {
  exact: 'Outputs stay bit-equal.',
  'exact-within-fp': 'Outputs stay equal up to rounding.',
  lossy: 'Outputs change: watch the gate.',
} as const;

/** A step of its own: a switch, and its settings while it is on. */
export function StepRow({ definition, recipe, targets, fired, edit }: StepRowProps) {
  const [about, setAbout] = useState(false);
  const on = hasStep(recipe, definition.id);
  return (
    <div className={styles.step} data-step={definition.id}>
      <div className={styles.stepHead}>
        <label className={controls.check}>
          <input
            type="checkbox"
            checked={on}
            onChange={(event) => edit((current) => toggleStep(current, definition.id, event.target.checked))}
          />
          <span>{definition.title}</span>
        </label>
        {on && <FiredTag fired={fired} />}
        <AboutButton title={definition.title} open={about} onToggle={() => setAbout(!about)} />
      </div>
      {about && <AboutStep definition={definition} indented />}
      {on && (
        <div className={styles.indented}>
          <StepParams {...{ definition, recipe, targets, edit }} />
        </div>
      )}
    </div>
  );
}

export function FiredTag({ fired }: { readonly fired: number | null }) {
  if (fired === null) return null;
  return (
    <span className={styles.tag} title="Changes it made when it last ran">
      {fired} ×
    </span>
  );
}

interface AboutButtonProps {
  readonly title: string;
  readonly open: boolean;
  readonly onToggle: () => void;
}

export function AboutButton({ title, open, onToggle }: AboutButtonProps) {
  return (
    <Button
      look="quiet"
      icon
      className={styles.info ?? ''}
      aria-label={`About ${title}`}
      aria-expanded={open}
      onClick={onToggle}
    >
      <Info size={14} />
    </Button>
  );
}

interface AboutStepProps {
  readonly definition: StepDefinition;
  readonly indented?: boolean;
  /** Where the summary already stands elsewhere. */
  readonly withoutSummary?: boolean;
}

export function AboutStep({ definition, indented = false, withoutSummary = false }: AboutStepProps) {
  return (
    <p className={indented ? `${styles.details} ${styles.indented}` : styles.details}>
      {withoutSummary ? '' : `${definition.summary} `}
      {PRECISION[definition.precision]} Source: {definition.source}.
    </p>
  );
}
