import { useState } from 'react';
import {
  CartesianGrid,
  LabelList,
  ReferenceLine,
  ResponsiveContainer,
  Scatter,
  ScatterChart,
  Tooltip,
  XAxis,
  YAxis,
} from 'recharts';
import { nonDominated } from '../../core/eval/pareto.ts';
import type { MetricDefinition } from '../../core/eval/types.ts';
import type { Comparison } from '../../state/rows.ts';
import { Segmented } from '../components/Segmented.tsx';
import { formatBytes, formatMetric, formatMs } from '../format.ts';
import { ChartFrame } from './ChartFrame.tsx';
import { accuracyPoints, accuracyScale, gateLimit, latencyPoints, niceTicks, type ParetoPoint } from './chart-data.ts';
import { AXIS_TICK, ChartTooltip, emptyText, InTurn } from './chart-parts.tsx';
import styles from './charts.module.css';
import { paretoSummary } from './summaries.ts';

type Objective = 'size' | 'latency';

/** Size or latency against accuracy: the frontier is drawn, what something else beats on both is faded. */
export function ParetoChart({ comparison }: { readonly comparison: Comparison }) {
  const [objective, setObjective] = useState<Objective>('size');
  const [definition] = comparison.metrics;
  const [full, setFull] = useState(false);
  const baseline = accuracyPoints(comparison).find(({ letter }) => letter === 'O');
  const limit = definition ? gateLimit(baseline?.value, comparison.gate, definition) : null;
  const scale = accuracyScale(accuracyPoints(comparison), limit, full);
  const points = definition ? paretoPoints(comparison, objective, definition, scale.domain) : [];
  const sides = crowdedSides(points, scale.domain, definition?.direction === 'lower-is-better');
  const label = (point: ParetoPoint) => (sides.has(point.id) ? point.letter : pointLabel(point));
  const onLine = points.filter(({ dominated, at, y }) => !dominated && at === y).sort((a, b) => a.x - b.x);
  const offLine = points.filter((point) => !onLine.includes(point));
  const xName = objective === 'size' ? 'File size' : 'Median latency';
  const formatX = (x: number) => (objective === 'size' ? formatBytes(x) : formatMs(x));
  return (
    <ChartFrame
      title={`${xName} against ${definition?.title ?? 'accuracy'}`}
      unit={definition ? betterCorner(definition) : ''}
      summary={paretoSummary(points, objective)}
      empty={points.length === 0 ? emptyText(comparison, 'the trade-off') : null}
      tall
      savedNote={sides.size > 0 ? `${points.map(({ letter, name }) => `${letter}: ${name}`).join('; ')}.` : ''}
      legend={[
        { label: 'Frontier: nothing beats it on both', colour: 'var(--accent)' },
        { label: 'Beaten: another is at least as good on both', colour: 'var(--line-strong)' },
        ...(limit === null ? [] : [{ label: 'Gate', colour: 'var(--bad)', hatched: true }]),
      ]}
      control={
        <span className={styles.controls}>
          {(scale.clipped || full) && (
            <button type="button" className={styles.link} onClick={() => setFull(!full)}>
              {full ? 'Near the gate' : 'Full range'}
            </button>
          )}
          <Segmented
            label="Horizontal axis"
            value={objective}
            options={[
              { value: 'size', label: 'Size' },
              { value: 'latency', label: 'Latency' },
            ]}
            onChange={setObjective}
          />
        </span>
      }
    >
      <ResponsiveContainer width="100%" height="100%">
        <ScatterChart margin={{ top: 16, right: 24, bottom: 4, left: 8 }} title="Pareto">
          <CartesianGrid syncWithTicks stroke="var(--grid)" />
          <XAxis
            type="number"
            dataKey="x"
            name={xName}
            domain={['auto', 'auto']}
            padding={{ left: 60, right: 60 }}
            tick={AXIS_TICK}
            tickFormatter={formatX}
          />
          <YAxis
            type="number"
            dataKey="at"
            width={64}
            domain={[...scale.domain]}
            allowDataOverflow
            ticks={niceTicks(scale.domain, 5)}
            padding={{ top: 18, bottom: 18 }}
            reversed={definition?.direction === 'lower-is-better'}
            tick={AXIS_TICK}
            tickFormatter={(y: number) => (definition ? formatMetric(y, definition) : String(y))}
          />
          <Tooltip
            cursor={false}
            isAnimationActive={false}
            content={({ payload }) => {
              const point = payload?.[0]?.payload as ParetoPoint | undefined;
              if (!point || !definition) return null;
              return (
                <ChartTooltip
                  title={point.name}
                  rows={[
                    [xName, formatX(point.x)],
                    [definition.short, formatMetric(point.y, definition)],
                    ['', point.dominated ? 'beaten: another variant is at least as good on both' : 'on the frontier'],
                  ]}
                />
              );
            }}
          />
          {limit !== null && <ReferenceLine y={limit} stroke="var(--bad)" strokeDasharray="4 3" ifOverflow="hidden" />}
          <InTurn>
            <Scatter
              data={onLine}
              line={{ stroke: 'var(--accent)', strokeWidth: 2 }}
              fill="var(--accent)"
              isAnimationActive={false}
            >
              <LabelList
                content={(props) => (
                  <PointLabel {...(props as PointLabelProps)} points={onLine} sides={sides} text={label} />
                )}
              />
            </Scatter>
          </InTurn>
          <InTurn>
            <Scatter
              data={offLine}
              fill="var(--line-strong)"
              fillOpacity={0.45}
              shape="square"
              isAnimationActive={false}
            >
              <LabelList
                content={(props) => (
                  <PointLabel
                    {...(props as PointLabelProps)}
                    points={offLine}
                    sides={sides}
                    text={(point) => fadedLabel(point, label(point), definition)}
                  />
                )}
              />
            </Scatter>
          </InTurn>
        </ScatterChart>
      </ResponsiveContainer>
    </ChartFrame>
  );
}

interface PointLabelProps {
  readonly x?: number;
  readonly y?: number;
  readonly width?: number;
  readonly height?: number;
  readonly index?: number;
}

type Side = 'above' | 'right' | 'below' | 'left';

interface PointLabelWords {
  readonly points: readonly ParetoPoint[];
  /** Of the marker, by the point's id; above where nothing is said. */
  readonly sides: ReadonlyMap<string, Side>;
  readonly text: (point: ParetoPoint) => string;
}

/** One line beside the marker; recharts' own label would wrap every word. */
function PointLabel(props: PointLabelProps & PointLabelWords) {
  const { x = 0, y = 0, width = 0, height = 0, index = 0, points, sides, text } = props;
  const point = points[index];
  if (!point) return null;
  const middle = { x: x + width / 2, textAnchor: 'middle' } as const;
  const place = {
    above: { ...middle, y: y - 6 },
    right: { x: x + width + 4, y: y + height / 2 + 4, textAnchor: 'start' },
    below: { ...middle, y: y + height + 13 },
    left: { x: x - 4, y: y + height / 2 + 4, textAnchor: 'end' },
  } as const;
  return (
    <text {...place[sides.get(point.id) ?? 'above']} className={styles.valueLabel} opacity={point.dominated ? 0.7 : 1}>
      {text(point)}
    </text>
  );
}

function pointLabel({ letter, name }: ParetoPoint): string {
  return letter === 'O' ? name : `${letter} ${name}`;
}

/**
 * Points so close that their names would run into each other: their letters do, the cards and the table have the names, and
 * each letter stands on another side of its marker, from above for the highest on round to the left.
 * A name takes about a fifth of the width, a line of text about a twelfth of the height.
 * @param reversed the lowest value is the highest on the screen
 */
export function crowdedSides(
  points: readonly ParetoPoint[],
  [low, high]: readonly [number, number],
  reversed: boolean,
): Map<string, Side> {
  const xs = points.map(({ x }) => x);
  const width = Math.max(...xs) - Math.min(...xs) || 1;
  const height = high - low || 1;
  const near = (a: ParetoPoint, b: ParetoPoint) =>
    a !== b && Math.abs(a.x - b.x) < width / 5 && Math.abs(a.at - b.at) < height / 12;
  const isHigher = (a: ParetoPoint, b: ParetoPoint) =>
    a.at === b.at ? points.indexOf(a) < points.indexOf(b) : a.at > b.at !== reversed;
  return new Map(
    points.flatMap((point) => {
      const others = points.filter((other) => near(point, other));
      const higher = others.filter((other) => isHigher(other, point)).length;
      return others.length > 0 ? [[point.id, SIDES[Math.min(higher, 3)]!] as const] : [];
    }),
  );
}
const SIDES: readonly Side[] = ['above', 'right', 'below', 'left'];

/** Off the axis: the value tells how far, and the letter alone leaves it room beside the axis. */
function fadedLabel(point: ParetoPoint, label: string, definition: MetricDefinition | undefined): string {
  const beyond = point.at !== point.y && definition;
  return beyond ? `${point.letter}, off the axis: ${formatMetric(point.y, definition)}` : label;
}

function betterCorner(definition: MetricDefinition): string {
  return definition.direction === 'lower-is-better' ? 'axis reversed: up and left is better' : 'up and left is better';
}

export function paretoPoints(
  comparison: Comparison,
  objective: Objective,
  definition: MetricDefinition,
  [low, high]: readonly [number, number],
): ParetoPoint[] {
  const latency = new Map(latencyPoints(comparison).map((point) => [point.id, point.byTarget]));
  const target = comparison.rows[0]?.cells[0]?.key;
  const candidates = accuracyPoints(comparison).flatMap((point) => {
    const facts = comparison.rows.find(({ id }) => id === point.id)?.facts;
    const x = objective === 'size' ? facts?.fileBytes : latency.get(point.id)?.[target ?? '']?.median;
    return x === undefined ? [] : [{ ...point, x, y: point.value }];
  });
  const kept = new Set(
    nonDominated(
      candidates.map(({ x, y }) => [x, y]),
      ['lower-is-better', definition.direction],
    ),
  );
  return candidates.map(({ id, letter, name, stale, x, y }, index) => ({
    id,
    letter,
    name,
    stale,
    x,
    y,
    at: Math.min(Math.max(y, low), high),
    dominated: !kept.has(index),
  }));
}
