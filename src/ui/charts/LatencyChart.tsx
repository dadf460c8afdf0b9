import { Bar, BarChart, CartesianGrid, ErrorBar, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts';
import type { Comparison } from '../../state/rows.ts';
import { formatMs, formatMsNumber } from '../format.ts';
import { ChartFrame } from './ChartFrame.tsx';
import { type LatencyPoint, latencyPoints, niceTicks } from './chart-data.ts';
import { AXIS_TICK, ChartTooltip, emptyText, InTwoTurns, MARGIN, targetColour, variantAxis } from './chart-parts.tsx';
import styles from './charts.module.css';
import { latencySummary } from './summaries.ts';

/** Median of the timed runs as a bar, 5th to 95th percentile as its whisker, one bar a target. */
export function LatencyChart({ comparison }: { readonly comparison: Comparison }) {
  const points = latencyPoints(comparison);
  const longest = Math.max(1e-3, ...points.flatMap(({ byTarget }) => Object.values(byTarget).map(({ p95 }) => p95)));
  const targets = (comparison.rows[0]?.cells ?? []).map(({ key, label }) => ({ key, label }));
  return (
    <ChartFrame
      title="Latency"
      unit="ms, median and p5–p95"
      legend={targets.map(({ key, label }) => ({ label, colour: targetColour(key) }))}
      summary={latencySummary(points, comparison.rows)}
      empty={points.length === 0 ? emptyText(comparison, 'latency') : null}
    >
      <ResponsiveContainer width="100%" height="100%">
        <InTwoTurns>
          <BarChart layout="vertical" data={points} margin={MARGIN} barCategoryGap="22%" barGap={1} title="Latency">
            <CartesianGrid syncWithTicks horizontal={false} stroke="var(--grid)" />
            <XAxis
              type="number"
              tick={AXIS_TICK}
              tickLine={false}
              axisLine={false}
              height={18}
              domain={[0, longest]}
              ticks={niceTicks([0, longest])}
            />
            <YAxis {...variantAxis(points)} />
            <Tooltip
              cursor={{ fill: 'var(--surface-2)', opacity: 0.6 }}
              isAnimationActive={false}
              content={({ payload }) => (
                <LatencyTooltip point={payload?.[0]?.payload as LatencyPoint} targets={targets} />
              )}
            />
            {targets.map(({ key }) => (
              <Bar
                key={key}
                dataKey={(point: LatencyPoint) => point.byTarget[key]?.median}
                name={key}
                fill={targetColour(key)}
                isAnimationActive={false}
                maxBarSize={18}
                shape={(props: unknown) => <LabelledBar {...(props as LabelledBarProps)} target={key} />}
              >
                <ErrorBar
                  dataKey={(point: LatencyPoint) => whisker(point, key)}
                  isAnimationActive={false}
                  width={5}
                  stroke="var(--text)"
                  strokeWidth={1.2}
                />
              </Bar>
            ))}
          </BarChart>
        </InTwoTurns>
      </ResponsiveContainer>
    </ChartFrame>
  );
}

function whisker(point: LatencyPoint, key: string): [number, number] {
  const spread = point.byTarget[key];
  return spread ? [spread.median - spread.p5, spread.p95 - spread.median] : [0, 0];
}

interface LabelledBarProps {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly fill: string;
  readonly payload: LatencyPoint;
}

/** The bar, and the median right of its whisker's end rather than of the bar's. */
function LabelledBar({ x, y, width, height, fill, payload, target }: LabelledBarProps & { readonly target: string }) {
  const spread = payload.byTarget[target];
  if (!spread || spread.median <= 0 || !(width > 0)) return null;
  const end = x + (width * Math.max(spread.p95, spread.median)) / spread.median;
  return (
    <g opacity={payload.stale ? 0.5 : 1}>
      <rect x={x} y={y} width={width} height={height} fill={fill} />
      <text x={end + 6} y={y + height / 2} dy="0.35em" className={styles.valueLabel}>
        {formatMsNumber(spread.median)}
      </text>
    </g>
  );
}

function LatencyTooltip({
  point,
  targets,
}: {
  readonly point: LatencyPoint | undefined;
  readonly targets: readonly { readonly key: string; readonly label: string }[];
}) {
  if (!point) return null;
  return (
    <ChartTooltip
      title={point.name}
      rows={targets.flatMap(({ key, label }): [string, string][] => {
        const spread = point.byTarget[key];
        if (!spread) return [[label, 'not measured']];
        return [
          [`${label}, median`, formatMs(spread.median)],
          ['5th to 95th percentile', `${formatMsNumber(spread.p5)} to ${formatMs(spread.p95)}`],
        ];
      })}
    />
  );
}
