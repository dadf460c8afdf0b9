import { useId } from 'react';
import { Bar, BarChart, CartesianGrid, LabelList, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts';
import type { Comparison } from '../../state/rows.ts';
import { formatBytes, formatMegabytes } from '../format.ts';
import { ChartFrame, type LegendItem } from './ChartFrame.tsx';
import { type MemoryPoint, type MemorySeries, memoryPoints, memorySeries } from './chart-data.ts';
import { AXIS_TICK, ChartTooltip, emptyText, HatchPattern, InTwoTurns, MARGIN, variantAxis } from './chart-parts.tsx';
import styles from './charts.module.css';
import { memorySummary } from './summaries.ts';

const COLOURS = { heap: 'var(--series-heap)', gpu: 'var(--series-gpu)' } as const;
const MEGA = 1e6;

/**
 * Two bars a variant: what the file and liveness analysis predict (weights, then activations, hatched), and what was
 * measured in the worker on each target.
 */
export function MemoryChart({ comparison }: { readonly comparison: Comparison }) {
  const hatch = useId();
  const points = memoryPoints(comparison);
  const series = memorySeries(comparison);
  const targets = new Set(series.map(({ target }) => target)).size;
  // More bars than this leave no room for a figure each; the table and the tooltip have them.
  const labelled = points.length * (1 + targets) <= 16;
  const legend: LegendItem[] = [
    { label: 'Weights', colour: 'var(--series-weights)' },
    ...(points.some(({ activations }) => activations !== null)
      ? [{ label: 'Activations (predicted)', colour: 'var(--series-activations)', hatched: true }]
      : []),
    ...(['heap', 'gpu'] as const).flatMap((kind) => {
      const item = series.find((candidate) => candidate.kind === kind);
      return item ? [{ label: seriesName(item, []), colour: COLOURS[kind] }] : [];
    }),
  ];
  return (
    <ChartFrame
      title="Memory"
      unit="MB"
      legend={legend}
      summary={memorySummary(
        points,
        series.flatMap(({ key }) => (key.startsWith('heap:') ? [key as `heap:${string}`] : [])),
      )}
      empty={points.length === 0 ? emptyText(comparison, 'memory') : null}
    >
      <ResponsiveContainer width="100%" height="100%">
        <InTwoTurns>
          <BarChart layout="vertical" data={points} margin={MARGIN} barCategoryGap="18%" barGap={1} title="Memory">
            <defs>
              <HatchPattern id={hatch} colour="var(--series-activations)" />
            </defs>
            <CartesianGrid syncWithTicks horizontal={false} stroke="var(--grid)" />
            <XAxis type="number" tick={AXIS_TICK} tickLine={false} axisLine={false} height={18} tickCount={4} />
            <YAxis {...variantAxis(points)} />
            <Tooltip
              cursor={{ fill: 'var(--surface-2)', opacity: 0.6 }}
              isAnimationActive={false}
              content={({ payload }) => <MemoryTooltip point={payload?.[0]?.payload as MemoryPoint} series={series} />}
            />
            <Bar
              dataKey={(point: MemoryPoint) => point.weights / MEGA}
              name="weights"
              stackId="predicted"
              fill="var(--series-weights)"
              isAnimationActive={false}
              maxBarSize={14}
            >
              {labelled && (
                <LabelList
                  position="right"
                  className={styles.valueLabel}
                  valueAccessor={(entry) => weightsLabel((entry as { payload?: MemoryPoint }).payload)}
                />
              )}
            </Bar>
            <Bar
              dataKey={(point: MemoryPoint) => (point.activations ?? 0) / MEGA}
              name="activations"
              stackId="predicted"
              fill={`url(#${hatch})`}
              stroke="var(--series-activations)"
              strokeWidth={1}
              isAnimationActive={false}
              maxBarSize={14}
            >
              {labelled && (
                <LabelList
                  position="right"
                  className={styles.valueLabel}
                  valueAccessor={(entry) => predictedLabel((entry as { payload?: MemoryPoint }).payload)}
                />
              )}
            </Bar>
            {series.map((item) => (
              <Bar
                key={item.key}
                dataKey={(point: MemoryPoint) => (point[item.key] ?? 0) / MEGA}
                name={item.key}
                stackId={`measured-${item.target}`}
                fill={COLOURS[item.kind]}
                isAnimationActive={false}
                maxBarSize={14}
              >
                {(labelled || item.target === series[0]?.target) && isLastOfStack(item, series) && (
                  <LabelList
                    position="right"
                    className={styles.valueLabel}
                    valueAccessor={(entry) => measuredLabel((entry as { payload?: MemoryPoint }).payload, item.target)}
                  />
                )}
              </Bar>
            ))}
          </BarChart>
        </InTwoTurns>
      </ResponsiveContainer>
    </ChartFrame>
  );
}

function seriesName(item: MemorySeries, all: readonly MemorySeries[]): string {
  const several = new Set(all.map(({ target }) => target)).size > 1;
  const kind = item.kind === 'heap' ? (item.target.startsWith('cpu') ? 'Process' : 'WASM heap') : 'GPU buffers';
  return `${kind} (measured${several ? `, ${item.label}` : ''})`;
}

function isLastOfStack(item: MemorySeries, all: readonly MemorySeries[]): boolean {
  return all.findLast(({ target }) => target === item.target) === item;
}

/** Only where no bar of activations follows, which carries the sum. */
function weightsLabel(point: MemoryPoint | undefined): string {
  return point && !point.activations ? formatMegabytes(point.weights) : '';
}

function predictedLabel(point: MemoryPoint | undefined): string {
  return point ? formatMegabytes(point.weights + (point.activations ?? 0)) : '';
}

function measuredLabel(point: MemoryPoint | undefined, target: string): string {
  if (!point) return '';
  const total = (point[`heap:${target}`] ?? 0) + (point[`gpu:${target}`] ?? 0);
  return total > 0 ? formatMegabytes(total) : '';
}

function MemoryTooltip({
  point,
  series,
}: {
  readonly point: MemoryPoint | undefined;
  readonly series: readonly MemorySeries[];
}) {
  if (!point) return null;
  return (
    <ChartTooltip
      title={point.name}
      rows={[
        ['Weights in the file', formatBytes(point.weights)],
        ['Peak activations, predicted', point.activations === null ? 'unknown' : formatBytes(point.activations)],
        ...series.map((item): [string, string] => [
          seriesName(item, series),
          point[item.key] === null ? 'not measured' : formatBytes(point[item.key]!),
        ]),
      ]}
    />
  );
}
