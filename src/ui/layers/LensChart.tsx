import { useState } from 'react';
import type { LensLayer } from '../../core/precision/results.ts';
import { niceTicks } from '../charts/chart-data.ts';
import { useWidth } from '../components/use-width.ts';
import styles from './layers.module.css';
import { decibelDomain, EQUAL_DB, formatDb } from './lens-data.ts';

const HEIGHT = 240;
const LEFT = 46;
const RIGHT = 12;
const TOP = 14;
const BOTTOM = 22;
/** More diamonds than these would be one smear. */
const MOST_MARKS = 400;

interface LensChartProps {
  /** In order. */
  readonly layers: readonly LensLayer[];
  readonly selected: string | null;
  readonly onSelect: (name: string) => void;
}

/** Signal to error by layer, in order: a line for what has added up, diamonds for what each changed layer adds. */
export function LensChart({ layers, selected, onSelect }: LensChartProps) {
  const [box, width] = useWidth<HTMLDivElement>();
  const [hovered, setHovered] = useState<number | null>(null);
  const domain = decibelDomain(layers);
  const inner = Math.max(width - LEFT - RIGHT, 1);
  const xOf = (index: number) => LEFT + (layers.length < 2 ? inner / 2 : (index / (layers.length - 1)) * inner);
  const yOf = (db: number) => {
    const clipped = Math.min(Math.max(db, domain[0]), domain[1]);
    return TOP + (1 - (clipped - domain[0]) / (domain[1] - domain[0])) * (HEIGHT - TOP - BOTTOM);
  };
  const path = layers
    .map(
      (layer, index) =>
        `${index === 0 ? 'M' : 'L'}${xOf(index).toFixed(1)} ${yOf(layer.accumulated.sqnrDb).toFixed(1)}`,
    )
    .join('');
  const marks = layers
    .map((layer, index) => ({ layer, index }))
    .filter(({ layer }) => layer.changed && layer.local.sqnrDb < EQUAL_DB);
  const shownMarks =
    marks.length <= MOST_MARKS
      ? marks
      : marks.toSorted((a, b) => a.layer.local.sqnrDb - b.layer.local.sqnrDb).slice(0, MOST_MARKS);
  const at = hovered ?? (selected === null ? -1 : layers.findIndex(({ name }) => name === selected));
  const shown = layers[at];
  const nearest = (clientX: number, left: number) =>
    Math.min(Math.max(Math.round(((clientX - left - LEFT) / inner) * (layers.length - 1)), 0), layers.length - 1);
  return (
    <div ref={box} className={styles.chart}>
      {width > 0 && (
        // Pointing is a shortcut to a row of the table, which says the same by keyboard.
        <svg
          width={width}
          height={HEIGHT}
          aria-hidden="true"
          onPointerMove={(event) =>
            setHovered(nearest(event.clientX, event.currentTarget.getBoundingClientRect().left))
          }
          onPointerLeave={() => setHovered(null)}
          onClick={() => shown && onSelect(shown.name)}
        >
          {niceTicks(domain, 5).map((db) => (
            <g key={db}>
              <line x1={LEFT} x2={width - RIGHT} y1={yOf(db)} y2={yOf(db)} stroke="var(--grid)" />
              <text x={LEFT - 6} y={yOf(db)} dy="0.35em" textAnchor="end" className={styles.axis}>
                {db}
              </text>
            </g>
          ))}
          <text x={LEFT} y={HEIGHT - 6} className={styles.axis}>
            input
          </text>
          <text x={width - RIGHT} y={HEIGHT - 6} textAnchor="end" className={styles.axis}>
            output
          </text>
          {shown && (
            <line
              x1={xOf(at)}
              x2={xOf(at)}
              y1={TOP}
              y2={HEIGHT - BOTTOM}
              stroke="var(--line-strong)"
              strokeDasharray="2 3"
            />
          )}
          <path d={path} fill="none" stroke="var(--accent)" strokeWidth={2} strokeLinejoin="round" />
          {layers.length <= 80 &&
            layers.map((layer, index) => (
              <circle
                key={layer.name}
                cx={xOf(index)}
                cy={yOf(layer.accumulated.sqnrDb)}
                r={2.5}
                fill="var(--accent)"
              />
            ))}
          {shownMarks.map(({ layer, index }) => (
            <path
              key={layer.name}
              d={diamond(xOf(index), yOf(layer.local.sqnrDb), index === at ? 6 : 4.5)}
              fill="var(--series-heap)"
              stroke="var(--text)"
              strokeWidth={index === at ? 1.5 : 0.75}
            />
          ))}
        </svg>
      )}
      <p className={styles.readout}>
        {shown ? (
          <>
            <strong>{shown.name}</strong> {shown.opType}:{' '}
            {shown.changed ? `${formatDb(shown.local.sqnrDb)} by itself` : 'unchanged'},{' '}
            {formatDb(shown.accumulated.sqnrDb)} with all layers before
          </>
        ) : (
          'Point at a layer to read it; press to find it in the table.'
        )}
      </p>
    </div>
  );
}

export function diamond(x: number, y: number, r: number): string {
  return `M${x.toFixed(1)} ${(y - r).toFixed(1)}l${r} ${r}l${-r} ${r}l${-r} ${-r}z`;
}
