import { usePlotArea } from 'recharts';
import type { Verdict } from '../../core/study/results.ts';
import styles from './charts.module.css';

interface VerdictMarkerProps {
  readonly cx: number;
  readonly cy: number;
  readonly payload: {
    readonly verdict: Verdict['verdict'];
    readonly beyond: -1 | 0 | 1;
    readonly text: string;
    readonly stale: boolean;
  };
}

/** Shape and colour both carry the verdict: disc pass, cross fail, diamond too few samples, square baseline. */
export function VerdictMarker({ cx, cy, payload }: VerdictMarkerProps) {
  const plot = usePlotArea();
  if (!Number.isFinite(cx) || !Number.isFinite(cy)) return null;
  const { verdict, beyond, text, stale } = payload;
  return (
    <g opacity={stale ? 0.5 : 1}>
      {beyond === 0 ? <Shape cx={cx} cy={cy} verdict={verdict} /> : <Arrow cx={cx} cy={cy} side={beyond} />}
      <text {...labelPlace(cx, cy, beyond, plot)} className={styles.valueLabel}>
        {text}
      </text>
    </g>
  );
}

/** Half of "100.00 %" at the label's size. */
const HALF_LABEL = 23;

/** Above the marker, but inside the plot; beside the arrow where the value lies off the axis. */
function labelPlace(
  cx: number,
  cy: number,
  beyond: -1 | 0 | 1,
  plot: { readonly x: number; readonly width: number } | undefined,
) {
  if (beyond === 1) return { x: cx - 12, y: cy, dy: '0.35em', textAnchor: 'end' } as const;
  if (beyond === -1) return { x: cx + 12, y: cy, dy: '0.35em', textAnchor: 'start' } as const;
  const low = (plot?.x ?? 0) + HALF_LABEL;
  const high = plot ? plot.x + plot.width - HALF_LABEL : cx;
  return { x: Math.min(Math.max(cx, low), Math.max(low, high)), y: cy - 8, textAnchor: 'middle' } as const;
}

/** Points off the axis: the value beside it says how far. */
function Arrow({ cx, cy, side }: { readonly cx: number; readonly cy: number; readonly side: -1 | 1 }) {
  const base = cx - 9 * side;
  return <path d={`M${base},${cy - 5} L${cx},${cy} L${base},${cy + 5} Z`} fill="var(--bad)" />;
}

function Shape({
  cx,
  cy,
  verdict,
}: {
  readonly cx: number;
  readonly cy: number;
  readonly verdict: Verdict['verdict'];
}) {
  switch (verdict) {
    case 'pass':
      return <circle cx={cx} cy={cy} r={5} fill="var(--good)" />;
    case 'fail':
      return (
        <path
          d={`M${cx - 5},${cy - 5} L${cx + 5},${cy + 5} M${cx - 5},${cy + 5} L${cx + 5},${cy - 5}`}
          stroke="var(--bad)"
          strokeWidth={3}
          strokeLinecap="round"
        />
      );
    case 'inconclusive':
      return (
        <path
          d={`M${cx},${cy - 6} L${cx + 6},${cy} L${cx},${cy + 6} L${cx - 6},${cy} Z`}
          fill="var(--surface)"
          stroke="var(--warn)"
          strokeWidth={2}
        />
      );
    default:
      return <rect x={cx - 5} y={cy - 5} width={10} height={10} fill="var(--text-2)" />;
  }
}
