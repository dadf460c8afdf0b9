import type { MetricDefinition } from '../../core/eval/types.ts';
import type { Objective } from '../../core/search/results.ts';
import { niceTicks } from '../charts/chart-data.ts';
import { useWidth } from '../components/use-width.ts';
import { formatBytes, formatMetric, formatMs } from '../format.ts';
import styles from './search.module.css';
import type { SearchDot } from './search-data.ts';
import { STATUS_WORDS, searchDomain } from './search-data.ts';

const HEIGHT = 230;
const LEFT = 60;
const RIGHT = 18;
const TOP = 14;
const BOTTOM = 26;

interface SearchChartProps {
  readonly dots: readonly SearchDot[];
  readonly objective: Objective;
  readonly definition: MetricDefinition;
  readonly original: number | undefined;
  /** The worst value that the gate allows. */
  readonly limit: number | null;
}

/** Every recipe tried, cost against the metric: a disc passes, a cross fails, a ring is undecided. Up and left is better. */
export function SearchChart({ dots, objective, definition, original, limit }: SearchChartProps) {
  const [box, width] = useWidth<HTMLDivElement>();
  const [low, high] = searchDomain(dots, original, limit);
  const costs = dots.map(({ x }) => x);
  const most = Math.max(...costs, 1e-9) * 1.06;
  const inner = Math.max(width - LEFT - RIGHT, 1);
  const formatX = (x: number) => (objective === 'size' ? formatBytes(x) : formatMs(x));
  const xOf = (x: number) => LEFT + (x / most) * inner;
  const isDown = definition.direction === 'lower-is-better';
  const yOf = (y: number) => {
    const share = (Math.min(Math.max(y, low), high) - low) / (high - low);
    return TOP + (isDown ? share : 1 - share) * (HEIGHT - TOP - BOTTOM);
  };
  const frontier = dots.filter(({ onFrontier, y }) => onFrontier && y >= low && y <= high).sort((a, b) => a.x - b.x);
  return (
    <div ref={box} className={styles.chart}>
      {width > 0 && (
        <svg width={width} height={HEIGHT} aria-hidden="true">
          {niceTicks([low, high], 4).map((tick) => (
            <g key={tick}>
              <line x1={LEFT} x2={width - RIGHT} y1={yOf(tick)} y2={yOf(tick)} stroke="var(--grid)" />
              <text x={LEFT - 6} y={yOf(tick)} dy="0.35em" textAnchor="end" className={styles.axis}>
                {formatMetric(tick, definition)}
              </text>
            </g>
          ))}
          {niceTicks([0, most], Math.max(2, Math.floor(width / 120))).map((tick) => (
            <text key={tick} x={xOf(tick)} y={HEIGHT - 8} textAnchor="middle" className={styles.axis}>
              {formatX(tick)}
            </text>
          ))}
          {limit !== null && (
            <g>
              <line
                x1={LEFT}
                x2={width - RIGHT}
                y1={yOf(limit)}
                y2={yOf(limit)}
                stroke="var(--bad)"
                strokeDasharray="4 3"
              />
              <text x={width - RIGHT} y={yOf(limit) - 4} textAnchor="end" className={styles.gate}>
                gate
              </text>
            </g>
          )}
          <polyline
            points={frontier.map(({ x, y }) => `${xOf(x).toFixed(1)},${yOf(y).toFixed(1)}`).join(' ')}
            fill="none"
            stroke="var(--accent)"
            strokeWidth={1.5}
          />
          {dots.map((dot) => (
            <g key={dot.row.point.id} transform={`translate(${xOf(dot.x).toFixed(1)} ${yOf(dot.y).toFixed(1)})`}>
              <title>{`${dot.row.name}: ${formatX(dot.x)}, ${formatMetric(dot.y, definition)}, ${STATUS_WORDS[dot.row.point.status]}`}</title>
              <Mark dot={dot} />
              {(dot.row.role === 'recommended' || dot.row.point.status === 'original') && (
                <text y={-10} textAnchor={dot.x > most * 0.75 ? 'end' : 'start'} className={styles.dotLabel}>
                  {dot.row.role === 'recommended' ? 'recommended' : 'original'}
                </text>
              )}
            </g>
          ))}
        </svg>
      )}
    </div>
  );
}

function Mark({ dot: { row } }: { readonly dot: SearchDot }) {
  switch (row.point.status) {
    case 'passed':
      return (
        <>
          {row.role === 'recommended' && <circle r={9} fill="none" stroke="var(--accent)" strokeWidth={2} />}
          <circle r={5} fill="var(--accent)" />
        </>
      );
    case 'failed':
      return <path d="M-4.5 -4.5l9 9M4.5 -4.5l-9 9" stroke="var(--bad)" strokeWidth={2} />;
    case 'original':
      return <rect x={-5} y={-5} width={10} height={10} fill="var(--text-2)" />;
    default:
      return <circle r={4.5} fill="var(--surface)" stroke="var(--warn)" strokeWidth={2} />;
  }
}
