import { type PointerEvent, useMemo } from 'react';
import { type MemoryBuffer, type MemoryTimeline, worstSteps } from '../../core/analysis/memory-plan.ts';
import { useWidth } from '../components/use-width.ts';
import { formatBytes } from '../format.ts';
import styles from './details.module.css';
import type { Band } from './memory-data.ts';

const HEIGHT = 210;
const TOP = 18;
const BOTTOM = 20;
const LEFT = 62;
const RIGHT = 8;

interface MemoryTimeChartProps {
  readonly timeline: MemoryTimeline;
  /** Drawn apart, largest first. */
  readonly top: readonly Band[];
  /** Bytes at the upper end of the axis. */
  readonly highest: number;
  /** Drawn below; 0: not. */
  readonly weightBytes: number;
  /** The step that is marked. */
  readonly at: number;
  readonly onPick: (step: number) => void;
}

/** Steps from left to right, bytes upwards: the tensors of the peak as bands with their numbers, all others in grey. */
export function MemoryTimeChart({ timeline, top, highest, weightBytes, at, onPick }: MemoryTimeChartProps) {
  const [box, width] = useWidth<HTMLDivElement>();
  const plot = Math.max(width - LEFT - RIGHT, 1);
  const shown = useMemo(() => worstSteps(timeline, plot), [timeline, plot]);
  const { steps, peakStep, peakBytes } = timeline;
  const yOf = (bytes: number) => HEIGHT - BOTTOM - (bytes / highest) * (HEIGHT - TOP - BOTTOM);
  const xOf = (column: number) => LEFT + (column / shown.length) * plot;
  const columnOf = (step: number) => Math.floor(((step + 0.5) * shown.length) / steps.length);
  const pick = (event: PointerEvent<SVGSVGElement>) => {
    const share = (event.clientX - event.currentTarget.getBoundingClientRect().left - LEFT) / plot;
    const column = Math.floor(Math.min(Math.max(share, 0), 0.999_999) * shown.length);
    if (shown[column] !== undefined) onPick(shown[column]);
  };
  const layers = stack(timeline, shown, top, weightBytes);
  const peakX = xOf(columnOf(peakStep) + 0.5);
  return (
    <div ref={box} className={styles.chart}>
      {width > 0 && (
        <svg
          width={width}
          height={HEIGHT}
          aria-hidden="true"
          style={{ display: 'block' }}
          onPointerMove={pick}
          onPointerDown={pick}
        >
          {[0, 0.5, 1].map((share) => (
            <g key={share}>
              <line
                x1={LEFT}
                x2={width - RIGHT}
                y1={yOf(share * highest)}
                y2={yOf(share * highest)}
                stroke="var(--grid)"
              />
              <text x={LEFT - 6} y={yOf(share * highest)} dy="0.35em" textAnchor="end" className={styles.axis}>
                {formatBytes(share * highest)}
              </text>
            </g>
          ))}
          {layers.map(({ key, colour, low, high }) => (
            <path key={key} d={area(low, high, xOf, yOf)} fill={colour} fillOpacity={key === 'rest' ? 0.45 : 0.9} />
          ))}
          {top.map(({ buffer }, index) => {
            const layer = layers.find(({ key }) => key === keyOf(buffer))!;
            const column = columnOf(peakStep);
            const [low, high] = [layer.low[column]!, layer.high[column]!];
            if (yOf(low) - yOf(high) < 12) return null;
            return (
              <text
                key={buffer.value}
                x={peakX + 5}
                y={yOf((low + high) / 2)}
                dy="0.35em"
                textAnchor="start"
                className={styles.bandLabel}
              >
                {index + 1}
              </text>
            );
          })}
          <line
            x1={xOf(columnOf(at) + 0.5)}
            x2={xOf(columnOf(at) + 0.5)}
            y1={TOP - 4}
            y2={HEIGHT - BOTTOM}
            stroke="var(--text)"
          />
          <path d={`M${peakX - 5} ${yOf(peakBytes + weightBytes) - 10}h10l-5 8z`} fill="var(--bad)" />
          <text x={LEFT} y={HEIGHT - 5} className={styles.axis}>
            first node
          </text>
          <text x={width - RIGHT} y={HEIGHT - 5} textAnchor="end" className={styles.axis}>
            last of {steps.length}
          </text>
        </svg>
      )}
    </div>
  );
}

const keyOf = ({ kind, from, value }: MemoryBuffer): string => `${kind} ${from} ${value}`;

interface Layer {
  readonly key: string;
  readonly colour: string;
  /** Bytes by column. */
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/** From below: weights, all others, the bands with the largest on top. */
function stack(timeline: MemoryTimeline, shown: readonly number[], top: readonly Band[], weightBytes: number): Layer[] {
  const alive = (band: Band, step: number) =>
    band.buffer.from <= step && step <= band.buffer.to ? band.buffer.bytes : 0;
  let low = shown.map(() => 0);
  const layers: Layer[] = [];
  const add = (key: string, colour: string, bytesAt: (step: number) => number) => {
    const high = shown.map((step, column) => low[column]! + bytesAt(step));
    layers.push({ key, colour, low, high });
    low = high;
  };
  if (weightBytes > 0) add('weights', 'var(--series-weights)', () => weightBytes);
  const others = (step: number) =>
    timeline.steps[step]!.liveBytes - top.reduce((sum, band) => sum + alive(band, step), 0);
  add('rest', 'var(--line-strong)', others);
  for (const band of [...top].reverse()) add(keyOf(band.buffer), band.colour, (step) => alive(band, step));
  return layers;
}

function area(
  low: readonly number[],
  high: readonly number[],
  xOf: (column: number) => number,
  yOf: (bytes: number) => number,
): string {
  const parts: string[] = [];
  for (let column = 0; column < high.length; ) {
    let end = column + 1;
    while (end < high.length && high[end] === high[column] && low[end] === low[column]) end += 1;
    if (high[column]! > low[column]!) {
      const [x, right, y, bottom] = [xOf(column), xOf(end), yOf(high[column]!), yOf(low[column]!)];
      parts.push(`M${x.toFixed(1)} ${y.toFixed(1)}H${right.toFixed(1)}V${bottom.toFixed(1)}H${x.toFixed(1)}Z`);
    }
    column = end;
  }
  return parts.join('');
}
