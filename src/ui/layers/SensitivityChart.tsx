import type { CandidateId, SensitiveLayer } from '../../core/precision/results.ts';
import { useWidth } from '../components/use-width.ts';
import styles from './layers.module.css';
import { CANDIDATE_MARKS, CANDIDATE_TITLES, formatLoss, pointOf } from './sensitivity-data.ts';

const ROW = 20;
const TOP = 8;
const BOTTOM = 22;
const RIGHT = 18;
/** Below this share of the largest loss nothing matters; the axis ends here. */
const DECADES = 5;

interface SensitivityChartProps {
  /** Ranked. */
  readonly layers: readonly SensitiveLayer[];
  readonly candidates: readonly CandidateId[];
  /** The one that ranks. */
  readonly ranking: CandidateId;
}

/** One row a layer, one mark a candidate with its bits in it, on a logarithmic axis of loss. */
export function SensitivityChart({ layers, candidates, ranking }: SensitivityChartProps) {
  const [box, width] = useWidth<HTMLDivElement>();
  const left = Math.min(220, width * 0.36);
  const height = TOP + layers.length * ROW + BOTTOM;
  const losses = layers.flatMap(({ points }) => points.map(({ loss }) => loss));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...losses, 1e-12)));
  const low = high / 10 ** DECADES;
  const xOf = (loss: number) => {
    const share = Math.log10(Math.max(loss, low) / low) / DECADES;
    return left + share * Math.max(width - left - RIGHT, 1);
  };
  const ticks = Array.from({ length: DECADES + 1 }, (_, index) => low * 10 ** index);
  // The one that ranks is drawn last, over the others.
  const order = [...candidates.filter((candidate) => candidate !== ranking), ranking];
  return (
    <div ref={box} className={styles.chart}>
      {width > 0 && (
        <svg width={width} height={height} aria-hidden="true" style={{ cursor: 'default' }}>
          {ticks.map((tick, index) => (
            <g key={tick}>
              <line x1={xOf(tick)} x2={xOf(tick)} y1={TOP} y2={height - BOTTOM} stroke="var(--grid)" />
              {index > 0 && (
                <text x={xOf(tick)} y={height - 6} textAnchor="middle" className={styles.axis}>
                  {tick.toExponential(0).replace('-', '\u2212')}
                </text>
              )}
            </g>
          ))}
          <text x={left} y={height - 6} textAnchor="middle" className={styles.axis}>
            less
          </text>
          {layers.map((layer, index) => (
            <g key={layer.name} transform={`translate(0 ${TOP + index * ROW + ROW / 2})`}>
              <title>{layer.name}</title>
              <text x={left - 14} dy="0.35em" textAnchor="end" className={styles.layerName}>
                {shortName(layer.name, Math.floor((left - 18) / 6.7))}
              </text>
              <line x1={left} x2={width - RIGHT} y1={0} y2={0} stroke="var(--grid)" />
              {order.map((candidate) => {
                const point = pointOf(layer, candidate);
                if (!point) return null;
                const ranks = candidate === ranking;
                return (
                  <g key={candidate} transform={`translate(${xOf(point.loss).toFixed(1)} 0)`}>
                    <title>{`${layer.name}, ${CANDIDATE_TITLES[candidate]}: ${formatLoss(point.loss)}`}</title>
                    <circle
                      r={8}
                      fill={ranks ? 'var(--accent)' : 'var(--surface)'}
                      stroke={ranks ? 'var(--accent)' : 'var(--line-strong)'}
                    />
                    <text textAnchor="middle" dy="0.35em" className={ranks ? styles.markOn : styles.mark}>
                      {CANDIDATE_MARKS[candidate]}
                    </text>
                  </g>
                );
              })}
            </g>
          ))}
        </svg>
      )}
    </div>
  );
}

/** The end of a name tells layers apart. */
export function shortName(name: string, length: number): string {
  return name.length <= length ? name : `…${name.slice(-(length - 1))}`;
}
