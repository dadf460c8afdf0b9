import { useState } from 'react';
import type { FreeInput } from '../../core/analysis/default-inputs.ts';
import type { TaskRef } from '../../core/study/schema.ts';
import controls from '../components/controls.module.css';
import { formatShape } from '../format.ts';
import { Field } from '../recipe/Field.tsx';
import styles from './header.module.css';

type RandomTask = TaskRef & { kind: 'random' };
type RandomInput = RandomTask['inputs'][number];

interface RandomTaskFormProps {
  readonly task: RandomTask;
  readonly inputs: readonly FreeInput[];
  readonly onChange: (task: RandomTask) => void;
}

const DISTRIBUTIONS = {
  normal: 'Normal (mean 0, variance 1)',
  uniform: 'Uniform, 0 to 1',
  'uniform-signed': 'Uniform, −1 to 1',
  integers: 'Integers, 0 to below a bound',
  zeros: 'Zeros',
  ones: 'Ones',
} as const;

/** Sizes of the free dimensions and how each input is filled. */
export function RandomTaskForm({ task, inputs, onChange }: RandomTaskFormProps) {
  const setInput = (name: string, change: Partial<RandomInput>) =>
    onChange({ ...task, inputs: task.inputs.map((input) => (input.name === name ? { ...input, ...change } : input)) });
  const setSize = (name: string, axis: number, size: number) =>
    onChange({ ...task, inputs: withSize(task.inputs, inputs, { name, axis, size }) });
  return (
    <div className={styles.inputs}>
      <div className={styles.row}>
        <Field
          field={{
            kind: 'number',
            key: 'samples',
            title: 'Samples',
            description: 'How many inputs to draw.',
            default: 16,
            integer: true,
            min: 1,
            max: 10_000,
          }}
          value={task.samples}
          onChange={(samples) => onChange({ ...task, samples: Number(samples) })}
        />
        <Field
          field={{
            kind: 'number',
            key: 'seed',
            title: 'Seed',
            description: 'The same seed gives the same inputs everywhere.',
            default: 1,
            integer: true,
            min: 0,
            max: 4_294_967_295,
          }}
          value={task.seed}
          onChange={(seed) => onChange({ ...task, seed: Number(seed) })}
        />
      </div>
      {task.inputs.map((input) => (
        <InputForm
          key={input.name}
          input={input}
          declared={inputs.find(({ name }) => name === input.name)}
          onChange={(change) => setInput(input.name, change)}
          onSize={(axis, size) => setSize(input.name, axis, size)}
        />
      ))}
    </div>
  );
}

/** Axes that share a symbol ("batch") have one size: a model fed with two of them could not run. */
export function withSize(
  chosen: readonly RandomInput[],
  declared: readonly FreeInput[],
  change: { readonly name: string; readonly axis: number; readonly size: number },
): RandomInput[] {
  const dimOf = (name: string, axis: number) => declared.find((input) => input.name === name)?.shape?.[axis];
  const symbol = dimOf(change.name, change.axis);
  return chosen.map((input) => ({
    ...input,
    dims: input.dims.map((size, axis) => {
      const itself = input.name === change.name && axis === change.axis;
      const shared = typeof symbol === 'string' && dimOf(input.name, axis) === symbol;
      return itself || shared ? change.size : size;
    }),
  }));
}

interface InputFormProps {
  readonly input: RandomInput;
  readonly declared: FreeInput | undefined;
  readonly onChange: (change: Partial<RandomInput>) => void;
  readonly onSize: (axis: number, size: number) => void;
}

function InputForm({ input, declared, onChange, onSize }: InputFormProps) {
  return (
    <div className={styles.input}>
      <div>
        <strong>{input.name}</strong>{' '}
        <span className={controls.hint}>
          {declared?.dtype} {formatShape(declared?.shape)}
        </span>
      </div>
      {declared && !declared.shape && (
        <SizesOfUnknownRank name={input.name} dims={input.dims} onChange={(dims) => onChange({ dims })} />
      )}
      <div className={styles.dims}>
        {input.dims.map((size, axis) => {
          const dim = declared?.shape?.[axis];
          if (!declared?.shape) return null;
          if (typeof dim === 'number') return null;
          return (
            <Field
              // biome-ignore lint/suspicious/noArrayIndexKey: an axis is its index
              key={axis}
              field={{
                kind: 'number',
                key: `dim-${axis}`,
                title: `${dim ?? 'axis'} (axis ${axis})`,
                description: 'Size of this free dimension.',
                default: 1,
                integer: true,
                min: 0,
                max: 1_000_000,
              }}
              value={size}
              onChange={(value) => onSize(axis, Number(value))}
            />
          );
        })}
      </div>
      <div className={styles.row}>
        <Field
          field={{
            kind: 'enum',
            key: 'distribution',
            title: 'Values',
            description: 'How the input is filled.',
            default: 'normal',
            options: Object.keys(DISTRIBUTIONS),
            optionTitles: DISTRIBUTIONS,
          }}
          value={input.distribution}
          onChange={(distribution) => onChange({ distribution: distribution as RandomInput['distribution'] })}
        />
        {input.distribution === 'integers' && (
          <Field
            field={{
              kind: 'number',
              key: 'max',
              title: 'Bound (exclusive)',
              description: 'For token ids: the size of the vocabulary.',
              default: 100,
              integer: true,
              min: 1,
              max: 1_000_000_000,
            }}
            value={input.max}
            onChange={(max) => onChange({ max: Number(max) })}
          />
        )}
      </div>
    </div>
  );
}

/** As they are written in papers and messages: 1, 3, 224, 224. */
const SIZES = /^\s*(\d{1,7}\s*([,x×]\s*|\s+|$))*$/;

interface SizesProps {
  readonly name: string;
  readonly dims: readonly number[];
  readonly onChange: (dims: number[]) => void;
}

/** Where the model does not even say how many dimensions there are. */
function SizesOfUnknownRank({ name, dims, onChange }: SizesProps) {
  const [text, setText] = useState(dims.join(', '));
  const isValid = SIZES.test(text);
  return (
    <label className={controls.hint}>
      Sizes, such as 1, 3, 224, 224{' '}
      <input
        className={controls.input}
        aria-label={`Sizes of ${name}`}
        aria-invalid={!isValid}
        value={text}
        onChange={({ target }) => {
          setText(target.value);
          if (SIZES.test(target.value)) onChange((target.value.match(/\d+/g) ?? []).map(Number));
        }}
      />
      {!isValid && ' Whole numbers with commas between.'}
    </label>
  );
}
