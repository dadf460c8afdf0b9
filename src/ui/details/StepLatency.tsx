import { Timer } from 'lucide-react';
import { useState } from 'react';
import type { Effect, StepEffect, StepLatency, TimedFile } from '../../core/study/step-latency.ts';
import { runStepLatency } from '../../state/actions/step-latency.ts';
import { profileKey, stepSlot } from '../../state/profile-slice.ts';
import type { TargetCell, VariantRow } from '../../state/rows.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { ChartFrame } from '../charts/ChartFrame.tsx';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { ErrorNote, Note } from '../components/Note.tsx';
import { Segmented } from '../components/Segmented.tsx';
import { formatCount, formatMs, formatMsNumber, plural } from '../format.ts';
import styles from './details.module.css';
import { WaterfallChart } from './WaterfallChart.tsx';
import { effectText, firstNodeOf, waterfallSummary } from './waterfall-data.ts';

/** What each step of the variant's recipe bought in latency, measured when asked for. */
export default function StepLatencyPanel({ row }: { readonly row: VariantRow }) {
  const [chosen, setChosen] = useState('');
  const cell = row.cells.find(({ key }) => key === chosen) ?? row.cells[0];
  const task = useStudio((state) => state.history?.present.study.task);
  const busy = useStudio((state) => state.job !== null || state.opening !== null);
  const entry = useStudio((state) => (cell ? state.stepLatencies[stepSlot(row.id, cell.target)] : undefined));
  const error = useStudio((state) => state.stepError);
  if (!cell || !task) return null;
  const stale = entry !== undefined && entry.key !== profileKey(row.recipe, task);
  return (
    <div className={styles.block}>
      <h3>What each step bought</h3>
      <div className={styles.bar}>
        <Button disabled={busy} onClick={() => void runStepLatency(row.id, cell.target)}>
          <Timer size={15} aria-hidden /> {entry ? 'Measure the steps again' : 'Measure what each step bought'}
        </Button>
        {row.cells.length > 1 && <TargetSelect cells={row.cells} value={cell.key} onChange={setChosen} />}
      </div>
      <p className={styles.hint}>
        Builds the recipe step by step, and each step alone, and lets all files take turns on {cell.label}. What a step
        buys in its place depends on the steps before it: in another order the figures differ, and effects alone do not
        add up.
      </p>
      {error && <ErrorNote error={error} />}
      {stale && (
        <Note level="warning">The recipe or the task has changed since: these figures are of the settings before.</Note>
      )}
      {entry && <Result row={row} result={entry.result} label={cell.label} />}
    </div>
  );
}

interface TargetSelectProps {
  readonly cells: readonly TargetCell[];
  readonly value: string;
  readonly onChange: (key: string) => void;
}

function TargetSelect({ cells, value, onChange }: TargetSelectProps) {
  return (
    <label className={styles.field}>
      On
      <select
        className={controls.select}
        aria-label="Target that steps are measured on"
        value={value}
        onChange={(event) => onChange(event.target.value)}
      >
        {cells.map(({ key, label }) => (
          <option key={key} value={key}>
            {label}
          </option>
        ))}
      </select>
    </label>
  );
}

const SCALES = [
  { value: 'zero', label: 'From zero' },
  { value: 'close', label: 'Close up' },
] as const;

interface ResultProps {
  readonly row: VariantRow;
  readonly result: StepLatency;
  readonly label: string;
}

function Result({ row, result, label }: ResultProps) {
  const [scale, setScale] = useState<'zero' | 'close'>('zero');
  const { engine, threads, files, groups, measuredAt } = result;
  const show = (step: StepEffect) => {
    const node = firstNodeOf(row.facts?.ledger.find((one) => one.step === step.step));
    if (node !== null) studio.getState().showInGraph(node);
  };
  return (
    <>
      <ChartFrame
        title="Latency, step by step"
        unit={`ms on ${label}, less is better`}
        summary={waterfallSummary(result)}
        control={<Segmented label="Axis" value={scale} options={SCALES} onChange={setScale} />}
        empty={result.steps.length === 0 ? 'No step changed anything.' : null}
        flow
      >
        <WaterfallChart result={result} name={row.name} closeUp={scale === 'close'} onStep={show} />
      </ChartFrame>
      {result.steps.length > 0 && <EffectTable result={result} onStep={show} />}
      <p className={styles.hint}>
        {engine.name} {engine.version}, {plural(threads, 'thread')}, {new Date(measuredAt).toLocaleString('en-GB')}.{' '}
        {plural(files.length, 'different file')} took turns
        {groups > 1 ? ` in ${groups} groups with the original in each, as not all fit into memory at once` : ''}. A
        difference is inside the noise below 2 %, or where the runs of both overlap (Mann-Whitney, 1 %); as on the
        cards.
      </p>
    </>
  );
}

interface EffectTableProps {
  readonly result: StepLatency;
  readonly onStep: (step: StepEffect) => void;
}

/** The chart's figures, and each step alone. */
function EffectTable({ result: { files, steps, total }, onStep }: EffectTableProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a table that scrolls must be reached by the keyboard
    <section className={styles.scroll} tabIndex={0} aria-label="Latency, step by step">
      <table className={styles.table}>
        <thead>
          <tr>
            <th scope="col">Step</th>
            {['Changes', 'Nodes', 'Latency so far', '5th to 95th', 'Runs', 'Bought here'].map((title) => (
              <th key={title} scope="col" className={styles.number}>
                {title}
              </th>
            ))}
            <th scope="col">Alone</th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">Original</th>
            <td />
            <FileCells file={files[0]!} />
            <td />
            <td />
          </tr>
          {steps.map((step) => (
            <tr key={step.step}>
              <th scope="row">
                <button type="button" className={styles.link} title="Show in the graph" onClick={() => onStep(step)}>
                  {step.title}
                </button>
              </th>
              <td className={styles.number}>{formatCount(step.fired)}</td>
              <FileCells file={files[step.cumulated.file]!} />
              <EffectCell effect={step.cumulated} />
              <td>{aloneText(step)}</td>
            </tr>
          ))}
          {total && (
            <tr>
              <th scope="row">All steps</th>
              <td />
              <FileCells file={files[total.file]!} />
              <EffectCell effect={total} />
              <td />
            </tr>
          )}
        </tbody>
      </table>
    </section>
  );
}

function FileCells({ file: { nodes, latency, error } }: { readonly file: TimedFile }) {
  if (!latency)
    return (
      <>
        <td className={styles.number}>{nodes > 0 ? formatCount(nodes) : ''}</td>
        <td colSpan={3}>Failed: {error?.message ?? 'not measured'}</td>
      </>
    );
  return (
    <>
      <td className={styles.number}>{formatCount(nodes)}</td>
      <td className={styles.number}>{formatMs(latency.medianMs)}</td>
      <td className={styles.number}>
        {formatMsNumber(latency.p5Ms)} to {formatMs(latency.p95Ms)}
      </td>
      <td className={styles.number}>{latency.runs}</td>
    </>
  );
}

function EffectCell({ effect }: { readonly effect: Effect }) {
  return <td className={styles.number}>{effectText(effect)}</td>;
}

function aloneText({ alone, fired }: StepEffect): string {
  if (!alone) return 'finds nothing to do without the others';
  const notes = [
    ...(alone.needed.length > 0 ? [`after ${listed(alone.needed)}`] : []),
    ...(alone.fired === fired ? [] : [`${formatCount(alone.fired)} of ${formatCount(fired)} changes`]),
  ];
  return `${effectText(alone)}${notes.length > 0 ? ` (${notes.join('; ')})` : ''}`;
}

const listed = (titles: readonly string[]): string =>
  titles.length > 3 ? `${titles.slice(0, 2).join(', ')} and ${titles.length - 2} more` : titles.join(', ');
