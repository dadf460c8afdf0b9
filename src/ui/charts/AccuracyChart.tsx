import { useState } from 'react';
import {
  CartesianGrid,
  ErrorBar,
  ReferenceLine,
  ResponsiveContainer,
  Scatter,
  ScatterChart,
  Tooltip,
  XAxis,
  YAxis,
} from 'recharts';
import type { MetricDefinition } from '../../core/eval/types.ts';
import type { Comparison } from '../../state/rows.ts';
import { formatInterval, formatMetric, formatPercent } from '../format.ts';
import { verdictWord } from '../variants/VerdictBadge.tsx';
import { ChartFrame, type LegendItem } from './ChartFrame.tsx';
import { type AccuracyPoint, accuracyPoints, accuracyScale, gateLimit, niceTicks } from './chart-data.ts';
import { AXIS_TICK, ChartTooltip, emptyText, InTurn, MARGIN, variantAxis } from './chart-parts.tsx';
import styles from './charts.module.css';
import { accuracySummary } from './summaries.ts';
import { VerdictMarker } from './VerdictMarker.tsx';

interface Mark extends AccuracyPoint {
  /** Where the marker is drawn: the value, or the edge of the axis when the value lies beyond. */
  readonly at: number;
  /** -1 and 1: the value lies beyond the left or right end of the axis. */
  readonly beyond: -1 | 0 | 1;
  readonly whisker: readonly [number, number];
  readonly text: string;
}

/** The task's metric with its confidence interval, and the line that the gate draws. */
export function AccuracyChart({ comparison }: { readonly comparison: Comparison }) {
  const [full, setFull] = useState(false);
  const [definition] = comparison.metrics;
  const points = accuracyPoints(comparison);
  const baseline = points.find(({ letter }) => letter === 'O');
  const limit = definition ? gateLimit(baseline?.value, comparison.gate, definition) : null;
  const scale = accuracyScale(points, limit, full);
  const marks = definition ? points.map((point) => toMark(point, scale.domain, definition)) : [];
  return (
    <ChartFrame
      title={definition ? definition.title : 'Accuracy'}
      unit={definition ? (definition.direction === 'higher-is-better' ? 'higher is better' : 'lower is better') : ''}
      summary={accuracySummary(points, definition)}
      empty={points.length === 0 || !definition ? emptyText(comparison, 'accuracy') : null}
      legend={legendOf(points, limit, definition, comparison.gate.confidence)}
      control={
        (scale.clipped || full) && (
          <button type="button" className={styles.link} onClick={() => setFull(!full)}>
            {full ? 'Near the gate' : 'Full range'}
          </button>
        )
      }
    >
      <ResponsiveContainer width="100%" height="100%">
        <ScatterChart margin={MARGIN} title="Accuracy">
          <CartesianGrid syncWithTicks horizontal={false} stroke="var(--grid)" />
          <XAxis
            type="number"
            dataKey="at"
            domain={[...scale.domain]}
            allowDataOverflow
            tick={AXIS_TICK}
            tickLine={false}
            axisLine={false}
            height={18}
            ticks={niceTicks(scale.domain, 3)}
            tickFormatter={(value: number) => formatMetric(value, definition!)}
          />
          <YAxis
            {...variantAxis(points)}
            allowDuplicatedCategory={false}
            // Scatter draws the first row at the bottom; the bars beside it at the top.
            reversed
            padding={{ top: 10, bottom: 10 }}
          />
          <Tooltip
            cursor={false}
            isAnimationActive={false}
            content={({ payload }) => (
              <AccuracyTooltip point={payload?.[0]?.payload as Mark} definition={definition!} />
            )}
          />
          {limit !== null && (
            <ReferenceLine x={limit} stroke="var(--bad)" strokeDasharray="4 3" strokeWidth={1.5} ifOverflow="hidden" />
          )}
          <InTurn>
            <Scatter
              data={marks}
              isAnimationActive={false}
              shape={(props: unknown) => <VerdictMarker {...(props as { cx: number; cy: number; payload: Mark })} />}
            >
              <ErrorBar
                dataKey="whisker"
                direction="x"
                isAnimationActive={false}
                width={5}
                stroke="var(--text)"
                strokeWidth={1.2}
              />
            </Scatter>
          </InTurn>
        </ScatterChart>
      </ResponsiveContainer>
    </ChartFrame>
  );
}

function legendOf(
  points: readonly AccuracyPoint[],
  limit: number | null,
  definition: MetricDefinition | undefined,
  confidence: number,
): LegendItem[] {
  const items: LegendItem[] = [];
  if (points.some(({ hasInterval }) => hasInterval))
    items.push({ label: `${formatPercent(confidence)} interval`, colour: 'var(--text)' });
  if (limit !== null && definition)
    items.push({ label: `Gate: ${formatMetric(limit, definition)}`, colour: 'var(--bad)', hatched: true });
  return items;
}

function toMark(point: AccuracyPoint, [low, high]: readonly [number, number], definition: MetricDefinition): Mark {
  const at = Math.min(Math.max(point.value, low), high);
  const beyond = point.value > high ? 1 : point.value < low ? -1 : 0;
  return {
    ...point,
    at,
    beyond,
    whisker: beyond !== 0 ? [0, 0] : [point.value - Math.max(point.low, low), Math.min(point.high, high) - point.value],
    text: formatMetric(point.value, definition),
  };
}

function AccuracyTooltip({
  point,
  definition,
}: {
  readonly point: Mark | undefined;
  readonly definition: MetricDefinition;
}) {
  if (!point) return null;
  return (
    <ChartTooltip
      title={point.name}
      rows={[
        [definition.short, point.text],
        ...(point.hasInterval
          ? [['Interval', formatInterval([point.low, point.high], definition)] as [string, string]]
          : []),
        ['Samples', String(point.n)],
        ['Gate', verdictWord(point.verdict)],
      ]}
    />
  );
}
