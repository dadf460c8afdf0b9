/** One control for one parameter, drawn from the step's schema and from nothing else. */
import { useId, useState } from 'react';
import type { FormField } from '../../core/recipe/form.ts';
import controls from '../components/controls.module.css';
import { ListField, type ListFieldProps } from './ListField.tsx';

interface FieldProps {
  readonly field: FormField;
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
  readonly disabled?: boolean;
  /** For lists of strings: what is wrong with lines, and what else belongs beside them. */
  readonly list?: Pick<ListFieldProps, 'problemsOf' | 'noteOf' | 'placeholder' | 'action'>;
}

export function Field({ field, value, onChange, disabled = false, list }: FieldProps) {
  const id = useId();
  const hintId = `${id}-hint`;
  if (field.kind === 'boolean')
    return (
      <label className={controls.check} title={field.description}>
        <input
          type="checkbox"
          checked={Boolean(value)}
          disabled={disabled}
          onChange={(event) => onChange(event.target.checked)}
        />
        <span>
          {field.title}
          <span className="visually-hidden">. {field.description}</span>
        </span>
      </label>
    );
  if (field.kind === 'string-list')
    return (
      <ListField
        title={field.title}
        description={field.description}
        value={Array.isArray(value) ? (value as string[]) : []}
        onChange={onChange}
        disabled={disabled}
        {...list}
      />
    );
  return (
    <div className={controls.field}>
      <label className={controls.label} htmlFor={id} title={field.description}>
        {field.title}
        {field.unit && field.kind !== 'number' ? ` (${field.unit})` : ''}
      </label>
      <FieldControl id={id} hintId={hintId} field={field} value={value} onChange={onChange} disabled={disabled} />
      <span id={hintId} className="visually-hidden">
        {field.description}
      </span>
    </div>
  );
}

interface ControlProps extends Omit<FieldProps, 'list'> {
  readonly id: string;
  readonly hintId: string;
  readonly disabled: boolean;
}

function FieldControl({ id, hintId, field, value, onChange, disabled }: ControlProps) {
  switch (field.kind) {
    case 'enum':
      return (
        <select
          id={id}
          aria-describedby={hintId}
          className={controls.select}
          value={String(value)}
          disabled={disabled}
          onChange={(event) => onChange(field.options.find((option) => String(option) === event.target.value))}
        >
          {field.options.map((option) => (
            <option key={option} value={String(option)}>
              {field.optionTitles[String(option)] ?? String(option)}
            </option>
          ))}
        </select>
      );
    case 'number':
      return <NumberControl {...{ id, hintId, field, value, onChange, disabled }} />;
    case 'string':
      return (
        <input
          id={id}
          aria-describedby={hintId}
          className={controls.input}
          value={String(value)}
          maxLength={field.maxLength}
          disabled={disabled}
          onChange={(event) => onChange(event.target.value)}
        />
      );
    case 'string-list':
    case 'boolean':
      return null;
  }
}

/** Reads what was typed; undefined while it is no number within the bounds. */
export function parseNumber(
  text: string,
  field: { readonly min?: number; readonly max?: number; readonly integer: boolean },
): number | undefined {
  if (text.trim() === '') return undefined;
  const value = Number(text);
  if (!Number.isFinite(value)) return undefined;
  if (field.integer && !Number.isInteger(value)) return undefined;
  if (field.min !== undefined && value < field.min) return undefined;
  if (field.max !== undefined && value > field.max) return undefined;
  return value;
}

function boundsText({ min, max }: { readonly min?: number; readonly max?: number }): string {
  if (min !== undefined && max !== undefined) return `${min} to ${max}`;
  if (min !== undefined) return `${min} or more`;
  return max !== undefined ? `${max} or less` : '';
}

/** zod bounds integers by the safe range; that is no limit to tell anybody. */
function tellingBounds(field: { readonly min?: number; readonly max?: number; readonly integer: boolean }) {
  return {
    integer: field.integer,
    ...(field.min !== undefined && field.min > Number.MIN_SAFE_INTEGER ? { min: field.min } : {}),
    ...(field.max !== undefined && field.max < Number.MAX_SAFE_INTEGER ? { max: field.max } : {}),
  };
}

function NumberControl(props: Omit<ControlProps, 'field'> & { readonly field: FormField & { kind: 'number' } }) {
  const { id, hintId, field, value, onChange, disabled } = props;
  const [draft, setDraft] = useState<string | null>(null);
  const bounds = tellingBounds(field);
  const invalid = draft !== null && parseNumber(draft, bounds) === undefined;
  const errorId = `${id}-error`;
  return (
    <>
      <span className={controls.withUnit}>
        <input
          id={id}
          className={controls.input}
          inputMode={field.integer ? 'numeric' : 'decimal'}
          value={draft ?? String(value)}
          disabled={disabled}
          aria-invalid={invalid}
          aria-describedby={invalid ? errorId : hintId}
          onChange={(event) => {
            setDraft(event.target.value);
            const parsed = parseNumber(event.target.value, bounds);
            if (parsed !== undefined) onChange(parsed);
          }}
          onBlur={() => setDraft(null)}
        />
        {field.unit && <span className={controls.hint}>{field.unit}</span>}
      </span>
      {invalid && (
        <span id={errorId} role="alert" className={controls.hint}>
          {field.integer ? 'A whole number' : 'A number'}
          {boundsText(bounds) && `, ${boundsText(bounds)}`}
        </span>
      )}
    </>
  );
}
