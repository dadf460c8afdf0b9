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

interface StackedBar {
  readonly name: string;
  /** Bars of one stack follow each other. */
  readonly stack: string;
  readonly fill: string;
  readonly outline?: string;
  readonly bytes: (point: MemoryPoint) => number | null | undefined;
  /** At the bar's end: empty for none. */
  readonly label: ((point: MemoryPoint) => string) | false;
}

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
  const bars: readonly StackedBar[] = [
    {
      name: 'weights',
      stack: 'predicted',
      fill: 'var(--series-weights)',
      bytes: ({ weights }) => weights,
      label: labelled && weightsLabel,
    },
    {
      name: 'activations',
      stack: 'predicted',
      fill: `url(#${hatch})`,
      outline: 'var(--series-activations)',
      bytes: ({ activations }) => activations,
      label: labelled && predictedLabel,
    },
    ...series.map(
      (item): StackedBar => ({
        name: item.key,
        stack: `measured-${item.target}`,
        fill: COLOURS[item.kind],
        bytes: (point) => point[item.key],
        label:
          (labelled || item.target === series[0]?.target) &&
          isLastOfStack(item, series) &&
          ((point) => measuredLabel(point, item.target)),
      }),
    ),
  ];
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
            {bars.map(({ name, stack, fill, outline, bytes, label }) => (
              <Bar
                key={name}
                dataKey={(point: MemoryPoint) => (bytes(point) ?? 0) / MEGA}
                name={name}
                stackId={stack}
                fill={fill}
                {...(outline ? { stroke: outline, strokeWidth: 1 } : {})}
                isAnimationActive={false}
                maxBarSize={14}
              >
                {label && (
                  <LabelList
                    position="right"
                    className={styles.valueLabel}
                    valueAccessor={(entry) => {
                      const { payload } = entry as { payload?: MemoryPoint };
                      return payload ? label(payload) : '';
                    }}
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
function weightsLabel({ weights, activations }: MemoryPoint): string {
  return activations ? '' : formatMegabytes(weights);
}

function predictedLabel({ weights, activations }: MemoryPoint): string {
  return formatMegabytes(weights + (activations ?? 0));
}

function measuredLabel(point: MemoryPoint, target: string): string {
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
