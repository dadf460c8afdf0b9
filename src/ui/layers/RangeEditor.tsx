import { RotateCcw } from 'lucide-react';
import { type KeyboardEvent, type PointerEvent, useId, useState } from 'react';
import { clippedShare, type Range, readNumber, shortNumber } from '../../state/calibration.ts';
import { ChartFrame } from '../charts/ChartFrame.tsx';
import { niceTicks } from '../charts/chart-data.ts';
import { HatchPattern } from '../charts/chart-parts.tsx';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { useWidth } from '../components/use-width.ts';
import { formatCount, formatPercent } from '../format.ts';
import type { RangeRow } from './Calibration.tsx';
import { barHeights } from './Histogram.tsx';
import styles from './layers.module.css';

const HEIGHT = 170;
const TOP = 10;
const BOTTOM = 22;
const SIDE = 14;
/** One press of an arrow key moves an end by this share of what was seen; with Shift ten times as far. */
const KEY_STEP = 0.005;

type End = 'min' | 'max';

interface RangeEditorProps {
  readonly row: RangeRow;
  /** null: the recipe no longer takes ranges. */
  readonly onEdit: ((tensor: string, range: Range | undefined, tag?: string) => void) | null;
}

/** One tensor's histogram with the clip drawn; its ends are dragged, moved by arrow keys, or typed. */
export function RangeEditor({ row, onEdit }: RangeEditorProps) {
  const { tensor, given, wanted } = row;
  const [dragged, setDragged] = useState<Range | null>(null);
  const range = dragged ?? wanted;
  const commit = (next: Range, tag?: string) => {
    if (next.min < next.max) onEdit?.(tensor.tensor, next, tag);
  };
  return (
    <ChartFrame
      title={`Values of ${tensor.tensor}`}
      unit="counts, logarithmic"
      summary={summary(row, range)}
      legend={[
        { label: 'Gets codes', colour: 'var(--accent)' },
        { label: 'Clipped to the nearest end', colour: 'var(--line-strong)', hatched: true },
      ]}
      control={
        <Button look="quiet" disabled={!given || !onEdit} onClick={() => onEdit?.(tensor.tensor, undefined)}>
          <RotateCcw size={14} aria-hidden /> As calibrated
        </Button>
      }
      flow
    >
      <ClipChart
        row={row}
        range={range}
        disabled={!onEdit}
        onDrag={setDragged}
        onDrop={() => {
          if (dragged) commit(dragged);
          setDragged(null);
        }}
        onStep={(next) => commit(next, `range ${tensor.tensor}`)}
      />
      <div className={styles.bar}>
        <EndField
          label="Lowest with a code"
          value={range.min}
          below={range.max}
          disabled={!onEdit}
          onChange={(min) => commit({ ...range, min }, `range ${tensor.tensor}`)}
        />
        <EndField
          label="Highest with a code"
          value={range.max}
          above={range.min}
          disabled={!onEdit}
          onChange={(max) => commit({ ...range, max }, `range ${tensor.tensor}`)}
        />
        {!onEdit && <p className={controls.hint}>The recipe no longer calibrates, so its ranges cannot be set.</p>}
      </div>
    </ChartFrame>
  );
}

function summary({ tensor, given }: RangeRow, range: Range): string {
  const { observed, chosen, method, zeros } = tensor;
  const by = given ? 'by hand' : method === 'given' ? 'by hand when it was built' : `by ${method}`;
  const share = clippedShare(tensor, range);
  const before = given ? ` The build had ${readNumber(chosen.min)} to ${readNumber(chosen.max)}.` : '';
  const exact = zeros > 0 ? ` ${formatCount(zeros)} values were exactly zero and are not drawn.` : '';
  return `Seen ${readNumber(observed.min)} to ${readNumber(observed.max)}; ${readNumber(range.min)} to ${readNumber(range.max)} get codes, ${by}; ${share === 0 ? 'nothing seen is clipped' : `${formatPercent(share, 3)} of the values are clipped`}.${before}${exact}`;
}

interface ClipChartProps {
  readonly row: RangeRow;
  readonly range: Range;
  readonly disabled: boolean;
  readonly onDrag: (range: Range) => void;
  readonly onDrop: () => void;
  readonly onStep: (range: Range) => void;
}

function ClipChart({ row, range, disabled, onDrag, onDrop, onStep }: ClipChartProps) {
  const [box, width] = useWidth<HTMLDivElement>();
  const hatch = useId();
  const { histogram, observed } = row.tensor;
  // A range by hand may reach beyond what was seen.
  const low = Math.min(histogram.min, row.wanted.min);
  const high = Math.max(histogram.max, row.wanted.max);
  const span = high - low || 1;
  const inner = Math.max(width - 2 * SIDE, 1);
  const xOf = (value: number) => SIDE + ((Math.min(Math.max(value, low), high) - low) / span) * inner;
  const bin = (histogram.max - histogram.min) / histogram.counts.length;
  const move = (end: End, to: number): Range => {
    const gap = span / 1000;
    return end === 'min'
      ? { ...range, min: Math.min(to, range.max - gap) }
      : { ...range, max: Math.max(to, range.min + gap) };
  };
  const valueAt = (event: PointerEvent<SVGElement>) => {
    const left = event.currentTarget.ownerSVGElement!.getBoundingClientRect().left;
    return low + ((event.clientX - left - SIDE) / inner) * span;
  };
  const onKeyDown = (event: KeyboardEvent, end: End) => {
    const direction = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (direction === undefined || disabled) return;
    event.preventDefault();
    const step = (observed.max - observed.min || 1) * KEY_STEP * (event.shiftKey ? 10 : 1);
    onStep(move(end, range[end] + direction * step));
  };
  const handle = (end: End) => (
    <g
      key={end}
      role="slider"
      tabIndex={disabled ? -1 : 0}
      aria-label={end === 'min' ? 'Lower end of the range' : 'Upper end of the range'}
      aria-valuemin={Number(shortNumber(low))}
      aria-valuemax={Number(shortNumber(high))}
      aria-valuenow={Number(shortNumber(range[end]))}
      aria-disabled={disabled}
      className={styles.handle}
      onKeyDown={(event) => onKeyDown(event, end)}
      onPointerDown={(event) => {
        if (disabled) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        onDrag(range);
      }}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) onDrag(move(end, valueAt(event)));
      }}
      onPointerUp={onDrop}
      onPointerCancel={onDrop}
    >
      <rect x={xOf(range[end]) - 12} y={TOP - 6} width={24} height={HEIGHT - TOP - BOTTOM + 6} fill="transparent" />
      <line
        x1={xOf(range[end])}
        x2={xOf(range[end])}
        y1={TOP}
        y2={HEIGHT - BOTTOM}
        stroke="var(--bad)"
        strokeWidth={2}
      />
      <path d={grip(xOf(range[end]), end)} fill="var(--bad)" />
    </g>
  );
  return (
    <div ref={box} className={styles.chart}>
      {width > 0 && (
        // biome-ignore lint/a11y/noSvgWithoutTitle: the frame names and sums it up; the handles have names of their own
        <svg width={width} height={HEIGHT} style={{ cursor: 'default', touchAction: 'pan-y' }}>
          <defs>
            <HatchPattern id={hatch} colour="var(--line-strong)" />
          </defs>
          {barHeights(histogram.counts).map((share, index) => {
            const from = histogram.min + index * bin;
            const isClipped = from + bin / 2 < range.min || from + bin / 2 > range.max;
            const height = share * (HEIGHT - TOP - BOTTOM);
            return (
              <rect
                // biome-ignore lint/suspicious/noArrayIndexKey: a bin is its place
                key={index}
                x={xOf(from)}
                y={HEIGHT - BOTTOM - height}
                width={Math.max(xOf(from + bin) - xOf(from) - 1, 1)}
                height={height}
                fill={isClipped ? `url(#${hatch})` : 'var(--accent)'}
              />
            );
          })}
          <line x1={SIDE} x2={width - SIDE} y1={HEIGHT - BOTTOM} y2={HEIGHT - BOTTOM} stroke="var(--line-strong)" />
          {niceTicks([low, high], Math.max(2, Math.floor(width / 110))).map((tick) => (
            <text key={tick} x={xOf(tick)} y={HEIGHT - 7} textAnchor="middle" className={styles.axis}>
              {readNumber(tick)}
            </text>
          ))}
          {handle('min')}
          {handle('max')}
        </svg>
      )}
    </div>
  );
}

/** A flag on the side of what gets codes. */
function grip(x: number, end: End): string {
  const way = end === 'min' ? 1 : -1;
  return `M${x} ${TOP - 4}h${way * 9}v12h${-way * 9}z`;
}

interface EndFieldProps {
  readonly label: string;
  readonly value: number;
  readonly above?: number;
  readonly below?: number;
  readonly disabled: boolean;
  readonly onChange: (value: number) => void;
}

function EndField({ label, value, above, below, disabled, onChange }: EndFieldProps) {
  const id = useId();
  const [draft, setDraft] = useState<string | null>(null);
  const parsed = Number(draft);
  const isRight = (number: number) =>
    Number.isFinite(number) && (above === undefined || number > above) && (below === undefined || number < below);
  const invalid = draft !== null && (draft.trim() === '' || !isRight(parsed));
  return (
    <div className={controls.field}>
      <label className={controls.label} htmlFor={id}>
        {label}
      </label>
      <input
        id={id}
        className={controls.input}
        inputMode="decimal"
        value={draft ?? shortNumber(value)}
        disabled={disabled}
        aria-invalid={invalid}
        aria-describedby={invalid ? `${id}-error` : undefined}
        onChange={(event) => {
          setDraft(event.target.value);
          const number = Number(event.target.value);
          if (event.target.value.trim() !== '' && isRight(number)) onChange(number);
        }}
        onBlur={() => setDraft(null)}
      />
      {invalid && (
        <span id={`${id}-error`} role="alert" className={controls.hint}>
          {above === undefined ? `A number below ${readNumber(below!)}` : `A number above ${readNumber(above)}`}
        </span>
      )}
    </div>
  );
}
