import type { Latency } from '../../core/study/results.ts';
import type { StepEffect, StepLatency } from '../../core/study/step-latency.ts';
import { useWidth } from '../components/use-width.ts';
import { formatMsNumber } from '../format.ts';
import styles from './details.module.css';
import { type Bar, barsOf } from './waterfall-data.ts';

const ROW = 36;
const BAR = 12;
const BAR_TOP = 19;
const AXIS = 22;
const SIDE = 8;

interface WaterfallChartProps {
  readonly result: StepLatency;
  /** Of the variant. */
  readonly name: string;
  /** The axis is only as long as the medians differ; whiskers end at its ends. */
  readonly closeUp: boolean;
  readonly onStep: (step: StepEffect) => void;
}

/** A row a step: its name, what it bought, and a bar from the latency before it to the one after it. */
export function WaterfallChart({ result, name, closeUp, onStep }: WaterfallChartProps) {
  const [box, width] = useWidth<HTMLDivElement>();
  const bars = barsOf(result, name);
  const measured = bars.flatMap(({ file: { latency } }) => (latency ? [latency] : []));
  const [low, high] = closeUp ? aroundMedians(measured) : [0, Math.max(...measured.map(({ p95Ms }) => p95Ms), 1e-6)];
  const xOf = (ms: number) =>
    SIDE + ((Math.min(Math.max(ms, low), high) - low) / (high - low)) * Math.max(width - 2 * SIDE, 1);
  const bottom = bars.length * ROW;
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => low + share * (high - low));
  return (
    <div ref={box} className={styles.chart}>
      {width > 0 && (
        <svg width={width} height={bottom + AXIS} aria-hidden="true" style={{ display: 'block' }}>
          {ticks.map((tick, index) => (
            <g key={tick}>
              <line x1={xOf(tick)} x2={xOf(tick)} y1={0} y2={bottom} stroke="var(--grid)" />
              <text
                x={xOf(tick)}
                y={bottom + 15}
                textAnchor={index === 0 ? 'start' : index === ticks.length - 1 ? 'end' : 'middle'}
                className={styles.axis}
              >
                {formatMsNumber(tick)}
              </text>
            </g>
          ))}
          {bars.map((bar, index) => (
            <Row
              key={bar.key}
              bar={bar}
              top={index * ROW}
              width={width}
              xOf={xOf}
              low={low}
              high={high}
              onStep={onStep}
            />
          ))}
        </svg>
      )}
    </div>
  );
}

/** Both ends of an axis for medians that hardly differ. */
function aroundMedians(measured: readonly Latency[]): [number, number] {
  const medians = measured.map(({ medianMs }) => medianMs);
  const [least, most] = [Math.min(...medians), Math.max(...medians, 1e-6)];
  const room = Math.max(0.4 * (most - least), 0.05 * most);
  return [Math.max(0, least - room), most + room];
}

interface RowProps {
  readonly bar: Bar;
  readonly top: number;
  readonly width: number;
  readonly xOf: (ms: number) => number;
  readonly low: number;
  readonly high: number;
  readonly onStep: (step: StepEffect) => void;
}

const TONES = {
  whole: 'var(--series-weights)',
  faster: 'var(--good)',
  slower: 'var(--bad)',
  noise: 'var(--line-strong)',
};
const SIGNS = { whole: '', faster: '▼ ', slower: '▲ ', noise: '' };

function Row({ bar: { title, step, span, file, text, tone }, top, width, xOf, low, high, onStep }: RowProps) {
  const { latency } = file;
  const [from, to] = span ? [Math.max(span[0], low), Math.max(span[1], low)] : [low, low];
  const [left, right] = [xOf(Math.min(from, to)), xOf(Math.max(from, to))];
  const middle = BAR_TOP + BAR / 2;
  const room = Math.max(8, Math.floor((width - 2 * SIDE - text.length * 6.6 - 24) / 6.4));
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the table below has a button for the same
    <g
      transform={`translate(0 ${top})`}
      onClick={step ? () => onStep(step) : undefined}
      style={{ cursor: step ? 'pointer' : 'default' }}
    >
      <title>{`${title}: ${text}`}</title>
      <rect x={0} y={0} width={width} height={ROW} fill="transparent" />
      <text x={SIDE} y={13} className={tone === 'whole' ? styles.wholeLabel : styles.label}>
        {title.length > room ? `${title.slice(0, room - 1)}…` : title}
      </text>
      <text x={width - SIDE} y={13} textAnchor="end" className={styles.value}>
        {SIGNS[tone]}
        {text}
      </text>
      {span && (
        <rect
          x={left}
          y={BAR_TOP}
          width={Math.max(right - left, 2)}
          height={BAR}
          rx={1.5}
          fill={tone === 'noise' ? 'var(--surface-3)' : TONES[tone]}
          stroke={TONES[tone]}
        />
      )}
      {latency && (
        <g stroke="var(--text)" strokeWidth={1.2}>
          <line x1={xOf(latency.p5Ms)} x2={xOf(latency.p95Ms)} y1={middle} y2={middle} />
          {/* No cap where the axis ends before the whisker does. */}
          {(['p5Ms', 'p95Ms'] as const).map((end) => {
            const ms = latency[end];
            if (ms < low || ms > high) return null;
            return <line key={end} x1={xOf(ms)} x2={xOf(ms)} y1={middle - 3} y2={middle + 3} />;
          })}
        </g>
      )}
    </g>
  );
}
