import { ChevronRight } from 'lucide-react';
import { type FormField, formFields } from '../../core/recipe/form.ts';
import type { Recipe } from '../../core/recipe/schema.ts';
import type { StepDefinition } from '../../core/step/define.ts';
import type { Target } from '../../core/study/schema.ts';
import { changedParams, entryProblems, paramsOf, setParam } from '../../state/recipe-edit.ts';
import { Note } from '../components/Note.tsx';
import { Field } from './Field.tsx';
import { listHelp } from './list-help.ts';
import { NodePicker } from './NodePicker.tsx';
import styles from './recipe.module.css';

export type EditRecipe = (change: (recipe: Recipe) => Recipe, tag?: string) => void;

interface StepParamsProps {
  readonly definition: StepDefinition;
  readonly recipe: Recipe;
  readonly targets: readonly Target[];
  readonly edit: EditRecipe;
}

/** The settings of a step that is on: those that most people choose by, the others folded; then where it does not run. */
export function StepParams({ definition, recipe, targets, edit }: StepParamsProps) {
  const fields = formFields(definition.params);
  const params = paramsOf(recipe, definition);
  const primary = fields.filter(({ advanced }) => !advanced);
  const folded = fields.filter(({ advanced }) => advanced);
  const changed = changedParams(definition, params).filter((key) => folded.some((field) => field.key === key));
  const draw = (field: FormField) => (
    <div key={field.key} className={isNarrow(field) ? undefined : styles.wide}>
      <ParamField field={field} {...{ definition, recipe, edit }} value={params[field.key]} />
    </div>
  );
  return (
    <>
      {primary.length > 0 && <div className={styles.params}>{primary.map(draw)}</div>}
      {folded.length > 0 && (
        <details className={styles.more}>
          <summary className={styles.moreSummary}>
            <ChevronRight size={13} aria-hidden className={styles.chevron} /> More settings
            <span className={styles.count}>{changed.length > 0 ? `${changed.length} changed` : folded.length}</span>
          </summary>
          <div className={styles.params}>{folded.map(draw)}</div>
        </details>
      )}
      {targetLimits(definition, params, targets).map(({ provider, text }) => (
        <Note key={provider} level="warning">
          {text}
        </Note>
      ))}
    </>
  );
}

/** What fits beside another field in the narrow column. */
function isNarrow(field: FormField): boolean {
  if (field.kind === 'number') return field.title.length + (field.unit?.length ?? 0) <= 18;
  if (field.kind === 'boolean') return field.title.length <= 14;
  if (field.kind !== 'enum' || field.title.length > 18) return false;
  return field.options.every((option) => (field.optionTitles[String(option)] ?? String(option)).length <= 8);
}

interface ParamFieldProps {
  readonly definition: StepDefinition;
  readonly recipe: Recipe;
  readonly edit: EditRecipe;
  readonly field: FormField;
  readonly value: unknown;
}

function ParamField({ definition, recipe, edit, field, value }: ParamFieldProps) {
  const change = (next: unknown) =>
    edit(
      (current) => setParam(current, definition.id, field.key, next),
      // Typing is one undo step; a choice from a list is its own.
      field.kind === 'enum' || field.kind === 'boolean' ? undefined : `${definition.id}.${field.key}`,
    );
  if (field.kind !== 'string-list') return <Field field={field} value={value} onChange={change} />;
  const entries = value as string[];
  const problemsOf = (lines: readonly string[]) => entryProblems(definition, field.key, lines);
  const { placeholder, nodes, choices } = listHelp(field.key, problemsOf);
  return (
    <Field
      field={field}
      value={value}
      onChange={change}
      list={{
        problemsOf,
        placeholder,
        action: nodes && (
          <NodePicker
            title={field.title}
            recipe={recipe}
            taken={entries}
            {...(choices ? { choices } : {})}
            onAdd={(added) => change([...new Set([...entries, ...added])])}
          />
        ),
      }}
    />
  );
}

const PROVIDER_NAMES = { wasm: 'WASM', webgpu: 'WebGPU', webnn: 'WebNN', cpu: 'CPU' } as const;

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
