import { Play } from 'lucide-react';
import { useDeferredValue, useId, useMemo, useState } from 'react';
import { needsCalibration } from '../../core/recipe/needs.ts';
import { runNeeded } from '../../state/actions/run.ts';
import {
  type CalibratedTensor,
  type CalibrationRecord,
  calibrationOf,
  clippedShare,
  givenRange,
  type Range,
  readNumber,
  setGivenRange,
  takesRanges,
} from '../../state/calibration.ts';
import type { VariantRow } from '../../state/rows.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { Note } from '../components/Note.tsx';
import { type Column, SortableTable } from '../components/SortableTable.tsx';
import { formatPercent, plural } from '../format.ts';
import { Sparkline } from './Histogram.tsx';
import styles from './layers.module.css';
import { RangeEditor } from './RangeEditor.tsx';

/** What calibration saw of each activation, which range it chose, and where the user knows better. */
export function Calibration({ row }: { readonly row: VariantRow }) {
  const record = useMemo(() => calibrationOf(row.facts), [row.facts]);
  const busy = useStudio((state) => state.job !== null || state.opening !== null);
  if (record && record.tensors.length > 0) return <Ranges record={record} row={row} busy={busy} />;
  if (!needsCalibration(row.recipe))
    return (
      <Note level="info">
        No step of this recipe calibrates activations. Choose static INT8 under Weights (or the preset “INT8 static,
        calibrated”) to see and set ranges here.
      </Note>
    );
  return (
    <Note
      level="info"
      action={
        <Button disabled={busy} onClick={() => void runNeeded()}>
          <Play size={15} aria-hidden /> Run all
        </Button>
      }
    >
      Activations are calibrated when the variant is built. Run it once to see their ranges.
    </Note>
  );
}

interface RangesProps {
  readonly record: CalibrationRecord;
  readonly row: VariantRow;
  readonly busy: boolean;
}

export interface RangeRow {
  readonly tensor: CalibratedTensor;
  /** By hand, in the recipe as it is now. */
  readonly given: Range | undefined;
  /** What the next build takes, as far as it is known before. */
  readonly wanted: Range;
  readonly clipped: number;
}

function Ranges({ record, row, busy }: RangesProps) {
  const [filter, setFilter] = useState('');
  const [selected, setSelected] = useState<string | null>(null);
  const id = useId();
  const text = useDeferredValue(filter).trim().toLowerCase();
  const rows = useMemo(() => rangeRows(record, row), [record, row]);
  const shown = useMemo(() => rows.filter(({ tensor }) => tensor.tensor.toLowerCase().includes(text)), [rows, text]);
  const current = rows.find(({ tensor }) => tensor.tensor === selected) ?? mostClipped(rows);
  const edit = takesRanges(row.recipe, record.stepId)
    ? (tensor: string, range: Range | undefined, tag?: string) =>
        studio.getState().editRecipe(row.id, (recipe) => setGivenRange(recipe, record.stepId, tensor, range), tag)
    : null;
  const columns = useMemo(() => columnsFor(setSelected), []);
  const given = rows.filter((each) => each.given).length;
  return (
    <div className={styles.panel}>
      {row.state === 'stale' && (
        <Note
          level="warning"
          action={
            <Button disabled={busy} onClick={() => void runNeeded()}>
              <Play size={15} aria-hidden /> Run all
            </Button>
          }
        >
          The recipe has changed since these ranges were measured. Run again to build with what is set now.
        </Note>
      )}
      <p className={styles.about}>{calibrationSummary(rows, record, given)}</p>
      <RangeEditor key={current.tensor.tensor} row={current} onEdit={edit} />
      <div className={styles.bar}>
        <div className={controls.field}>
          <label className={controls.label} htmlFor={id}>
            Filter tensors
          </label>
          <input
            id={id}
            className={controls.input}
            value={filter}
            spellCheck={false}
            onChange={(event) => setFilter(event.target.value)}
          />
        </div>
        <p className={controls.hint} aria-live="polite">
          {text === '' ? plural(rows.length, 'tensor') : `${shown.length} of ${plural(rows.length, 'tensor')}`}
        </p>
      </div>
      <SortableTable
        caption="Calibrated activations: what was seen, what gets codes, and how many values are clipped."
        columns={columns}
        rows={shown}
        rowKey={({ tensor }) => tensor.tensor}
        selectedKey={current.tensor.tensor}
        start={{ key: 'clipped', direction: 'descending' }}
        empty="No tensor has this in its name."
      />
    </div>
  );
}

function rangeRows(record: CalibrationRecord, { recipe }: VariantRow): RangeRow[] {
  return record.tensors.map((tensor) => {
    const given = givenRange(recipe, record.stepId, tensor.tensor);
    const wanted = given ?? tensor.chosen;
    return { tensor, given, wanted, clipped: clippedShare(tensor, wanted) };
  });
}

function mostClipped(rows: readonly RangeRow[]): RangeRow {
  return rows.reduce((most, row) => (row.clipped > most.clipped ? row : most));
}

export function calibrationSummary(rows: readonly RangeRow[], { samples }: CalibrationRecord, given: number): string {
  const clipping = rows.filter(({ clipped }) => clipped > 0).length;
  const most = mostClipped(rows);
  const count = samples === null ? '' : ` on ${plural(samples, 'sample')}`;
  const byHand = given === 0 ? '' : ` ${plural(given, 'range')} set by hand.`;
  const clips =
    clipping === 0
      ? 'Nothing that was seen is clipped.'
      : `${plural(clipping, 'range')} clip${clipping === 1 ? 's' : ''} something, most of all ${most.tensor.tensor}: ${formatPercent(most.clipped, 3)} of its values.`;
  return `${plural(rows.length, 'activation')} calibrated${count}. ${clips}${byHand}`;
}

const ends = ({ min, max }: Range) => `${readNumber(min)} to ${readNumber(max)}`;

function columnsFor(onSelect: (tensor: string) => void): Column<RangeRow>[] {
  return [
    {
      key: 'tensor',
      title: 'Tensor',
      value: ({ tensor }) => tensor.tensor,
      draw: ({ tensor }) => (
        <button
          type="button"
          className={styles.rowButton}
          title={tensor.tensor}
          onClick={() => onSelect(tensor.tensor)}
        >
          {tensor.tensor}
        </button>
      ),
    },
    { key: 'picture', title: 'Values', draw: ({ tensor, wanted }) => <Sparkline tensor={tensor} range={wanted} /> },
    {
      key: 'seen',
      title: 'Seen',
      value: ({ tensor }) => tensor.observed.max - tensor.observed.min,
      draw: ({ tensor }) => ends(tensor.observed),
      isNumber: true,
    },
    {
      key: 'chosen',
      title: 'Gets codes',
      value: ({ wanted }) => wanted.max - wanted.min,
      draw: ({ wanted }) => ends(wanted),
      isNumber: true,
    },
    {
      key: 'clipped',
      title: 'Clipped',
      value: ({ clipped }) => clipped,
      draw: ({ clipped }) => (clipped === 0 ? 'none' : formatPercent(clipped, 3)),
      isNumber: true,
    },
    {
      key: 'method',
      title: 'Method',
      value: ({ given, tensor }) => (given ? 'by hand' : tensor.method),
      draw: ({ given, tensor }) => (given ? 'by hand' : tensor.method === 'given' ? 'was by hand' : tensor.method),
    },
  ];
}
