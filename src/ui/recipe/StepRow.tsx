import { Info } from 'lucide-react';
import { useMemo, useState } from 'react';
import { formFields } from '../../core/recipe/form.ts';
import type { Recipe } from '../../core/recipe/schema.ts';
import type { StepDefinition } from '../../core/step/define.ts';
import type { Target } from '../../core/study/schema.ts';
import { hasStep, paramsOf, setParam, toggleStep } from '../../state/recipe-edit.ts';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { Note } from '../components/Note.tsx';
import { Field } from './Field.tsx';
import styles from './recipe.module.css';

interface StepRowProps {
  readonly definition: StepDefinition;
  readonly recipe: Recipe;
  readonly targets: readonly Target[];
  /** How often it changed the graph when it last ran; null when it did not run. */
  readonly fired: number | null;
  readonly edit: (change: (recipe: Recipe) => Recipe, tag?: string) => void;
}

const PRECISION = {
  exact: 'Outputs stay bit-equal.',
  'exact-within-fp': 'Outputs stay equal up to rounding.',
  lossy: 'Outputs change: watch the gate.',
} as const;

const PROVIDER_NAMES = { wasm: 'WASM', webgpu: 'WebGPU', webnn: 'WebNN', cpu: 'CPU' } as const;

export function StepRow({ definition, recipe, targets, fired, edit }: StepRowProps) {
  const [about, setAbout] = useState(false);
  const fields = useMemo(() => formFields(definition.params), [definition]);
  const on = hasStep(recipe, definition.id);
  const params = paramsOf(recipe, definition);
  const limits = on ? targetLimits(definition, params, targets) : [];
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
        {on && fired !== null && (
          <span className={styles.tag} title="Changes it made when it last ran">
            {fired} ×
          </span>
        )}
        <Button
          look="quiet"
          icon
          className={styles.info ?? ''}
          aria-label={`About ${definition.title}`}
          aria-expanded={about}
          onClick={() => setAbout(!about)}
        >
          <Info size={14} />
        </Button>
      </div>
      {about && (
        <p className={styles.details}>
          {definition.summary} {PRECISION[definition.precision]} Source: {definition.source}.
        </p>
      )}
      {on && fields.length > 0 && (
        <div className={styles.params}>
          {fields.map((field) => (
            <Field
              key={field.key}
              field={field}
              value={params[field.key]}
              onChange={(value) =>
                edit(
                  (current) => setParam(current, definition.id, field.key, value),
                  // Typing is one undo step; a choice from a list is its own.
                  field.kind === 'enum' || field.kind === 'boolean' ? undefined : `${definition.id}.${field.key}`,
                )
              }
            />
          ))}
        </div>
      )}
      {limits.map(({ provider, text }) => (
        <Note key={provider} level="warning">
          {text}
        </Note>
      ))}
    </div>
  );
}

/** What a step says of the targets that are chosen, where it is not simply that it runs there. */
export function targetLimits(
  definition: StepDefinition,
  params: Record<string, unknown>,
  targets: readonly Target[],
): { provider: string; text: string }[] {
  const support = definition.runsOn(params);
  const providers = new Set(targets.map(({ provider }) => provider));
  return [...providers].flatMap((provider) => {
    const { level, reason } = support[provider];
    if (level === 'full') return [];
    const where = PROVIDER_NAMES[provider];
    const lead = level === 'none' ? `Does not run on ${where}` : `Runs only in part on ${where}`;
    return [{ provider, text: reason ? `${lead}: ${reason}` : `${lead}.` }];
  });
}
