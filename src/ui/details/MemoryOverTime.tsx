import { useEffect, useMemo, useState } from 'react';
import { liveAt, type MemoryBuffer, type MemoryTimeline } from '../../core/analysis/memory-plan.ts';
import { type ErrorRecord, toErrorRecord } from '../../core/base/errors/index.ts';
import { quietJob } from '../../core/base/progress.ts';
import { graphKeyOf, memoryOf } from '../../state/actions/graph.ts';
import type { VariantRow } from '../../state/rows.ts';
import { ChartFrame } from '../charts/ChartFrame.tsx';
import { Button } from '../components/Button.tsx';
import { ErrorNote, Note } from '../components/Note.tsx';
import { type Column, SortableTable } from '../components/SortableTable.tsx';
import { formatBytes, formatCount, formatPercent } from '../format.ts';
import styles from './details.module.css';
import { MemoryTimeChart } from './MemoryTimeChart.tsx';
import { lifetimeText, memoryNotes, memorySummary, producerText, sharedText, topOfPeak } from './memory-data.ts';
import { NodeLink } from './NodeLink.tsx';

/** Memory of one run over time, predicted: the variant beside the original on the same scale. */
export default function MemoryOverTime({ rows }: { readonly rows: readonly VariantRow[] }) {
  const [withWeights, setWithWeights] = useState(false);
  const { timelines, error } = useTimelines(rows);
  if (error) return <ErrorNote error={error} />;
  if (timelines.length < rows.length) return <p className={styles.hint}>Working out what is alive when …</p>;
  const highest = Math.max(
    ...timelines.map(({ peakBytes, weightBytes }) => peakBytes + (withWeights ? weightBytes : 0)),
    1,
  );
  return (
    <>
      <label className={styles.field}>
        <input type="checkbox" checked={withWeights} onChange={(event) => setWithWeights(event.target.checked)} />
        Weights below the activations
      </label>
      <div className={styles.pair}>
        {rows.map((row, index) => (
          <OneTimeline
            key={row.id}
            row={row}
            timeline={timelines[index]!}
            highest={highest}
            withWeights={withWeights}
          />
        ))}
      </div>
    </>
  );
}

function useTimelines(rows: readonly VariantRow[]) {
  const [state, setState] = useState<{ key: string; timelines: MemoryTimeline[]; error: ErrorRecord | null }>();
  const key = rows.map(({ recipe }) => graphKeyOf(recipe)).join('\n');
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key says what of the rows matters
  useEffect(() => {
    let isOver = false;
    const ask = async () => {
      const timelines: MemoryTimeline[] = [];
      for (const { recipe } of rows) {
        const timeline = await memoryOf(recipe, quietJob);
        if (timeline) timelines.push(timeline);
      }
      return timelines;
    };
    ask().then(
      (timelines) => !isOver && setState({ key, timelines, error: null }),
      (cause: unknown) => !isOver && setState({ key, timelines: [], error: toErrorRecord(cause) }),
    );
    return () => {
      isOver = true;
    };
  }, [key]);
  return state?.key === key ? state : { timelines: [], error: null };
}

interface OneTimelineProps {
  readonly row: VariantRow;
  readonly timeline: MemoryTimeline;
  readonly highest: number;
  readonly withWeights: boolean;
}

function OneTimeline({ row, timeline, highest, withWeights }: OneTimelineProps) {
  const [chosen, setChosen] = useState<number | null>(null);
  const { steps, peakStep, weightBytes } = timeline;
  const at = Math.min(chosen ?? Math.max(peakStep, 0), Math.max(steps.length - 1, 0));
  const top = useMemo(() => topOfPeak(timeline), [timeline]);
  const step = steps[at];
  if (!step) return <p className={styles.hint}>{row.name} has no nodes.</p>;
  const said = `node ${formatCount(at + 1)} of ${formatCount(steps.length)}, ${step.op} ${step.node}, ${formatBytes(step.liveBytes)} live`;
  const legend = [
    ...(withWeights ? [{ label: 'weights', colour: 'var(--series-weights)' }] : []),
    ...top.map(({ buffer, colour }, index) => ({ label: `${index + 1} ${buffer.value}`, colour })),
    { label: 'all others', colour: 'var(--line-strong)' },
  ];
  return (
    <div className={styles.block}>
      <ChartFrame
        title={`Memory over time: ${row.name}`}
        unit="predicted, in the order of the file"
        summary={memorySummary(timeline)}
        legend={legend}
        flow
      >
        <MemoryTimeChart
          timeline={timeline}
          top={top}
          highest={highest}
          weightBytes={withWeights ? weightBytes : 0}
          at={at}
          onPick={setChosen}
        />
      </ChartFrame>
      <div className={styles.bar}>
        <input
          type="range"
          className={styles.range}
          min={0}
          max={steps.length - 1}
          value={at}
          aria-label={`Node of ${row.name} whose memory is listed`}
          aria-valuetext={said}
          onChange={(event) => setChosen(Number(event.target.value))}
        />
        <Button disabled={at === peakStep} onClick={() => setChosen(null)}>
          To the peak
        </Button>
      </div>
      <p className={styles.hint}>
        {at === peakStep ? 'At the peak: ' : ''}
        {said}.
      </p>
      {memoryNotes(timeline).map((text) => (
        <Note key={text} level={timeline.unknownValues > 0 ? 'warning' : 'info'}>
          {text}
        </Note>
      ))}
      <LiveTable timeline={timeline} at={at} name={row.name} id={row.id} />
      <p className={styles.hint}>{heapText(row)}</p>
      <details>
        <summary>Every node of {row.name} as a table</summary>
        <StepsTable timeline={timeline} name={row.name} />
      </details>
    </div>
  );
}

/** The measured figure beside the prediction; they are not the same thing. */
function heapText({ cells, name }: VariantRow): string {
  const heaps = cells.flatMap(({ label, measurement }) => {
    const bytes = measurement?.memory?.wasmHeapPeakBytes ?? measurement?.memory?.gpuBufferPeakBytes;
    return bytes ? [`${formatBytes(bytes)} on ${label}`] : [];
  });
  return heaps.length > 0
    ? `Measured for ${name}: ${heaps.join(', ')}. That holds weights and the runtime's own memory too, after its own optimizer.`
    : `${name} has not been measured yet.`;
}

interface LiveTableProps {
  readonly timeline: MemoryTimeline;
  readonly at: number;
  readonly name: string;
  readonly id: string;
}

function LiveTable({ timeline, at, name, id }: LiveTableProps) {
  const live = useMemo(() => liveAt(timeline, at), [timeline, at]);
  const total = timeline.steps[at]!.liveBytes;
  const columns: Column<MemoryBuffer>[] = [
    {
      key: 'value',
      title: 'Alive here',
      value: ({ value }) => value,
      draw: ({ value }) => <NodeLink name={value} variantId={id} />,
    },
    {
      key: 'bytes',
      title: 'Size',
      isNumber: true,
      value: ({ bytes }) => bytes,
      draw: ({ bytes }) => formatBytes(bytes),
    },
    {
      key: 'share',
      title: 'Share',
      isNumber: true,
      draw: ({ bytes }) => (total > 0 ? formatPercent(bytes / total, 1) : ''),
    },
    {
      key: 'by',
      title: 'Made by',
      value: (one) => producerText(timeline, one),
      draw: (one) => producerText(timeline, one),
    },
    { key: 'life', title: 'Nodes', isNumber: true, value: ({ from }) => from, draw: lifetimeText },
    { key: 'shared', title: 'Taken over by', draw: (one) => sharedText(one) },
  ];
  return (
    <SortableTable
      caption={`What is alive in ${name} at node ${at + 1}`}
      columns={columns}
      rows={live}
      rowKey={({ value, kind, from }) => `${kind} ${from} ${value}`}
      start={{ key: 'bytes', direction: 'descending' }}
      limit={8}
      empty="Nothing."
    />
  );
}

function StepsTable({ timeline: { steps }, name }: { readonly timeline: MemoryTimeline; readonly name: string }) {
  const rows = useMemo(() => steps.map((step, at) => ({ ...step, at })), [steps]);
  type Row = (typeof rows)[number];
  const columns: Column<Row>[] = [
    { key: 'node', title: 'Node', value: ({ node }) => node, draw: ({ node }) => node },
    {
      key: 'at',
      title: 'Number',
      isNumber: true,
      first: 'ascending',
      value: ({ at }) => at,
      draw: ({ at }) => formatCount(at + 1),
    },
    { key: 'op', title: 'Operator', value: ({ op }) => op, draw: ({ op }) => op },
    {
      key: 'live',
      title: 'Live',
      isNumber: true,
      value: ({ liveBytes }) => liveBytes,
      draw: ({ liveBytes }) => formatBytes(liveBytes),
    },
  ];
  return (
    <SortableTable
      caption={`Memory over time of ${name}`}
      columns={columns}
      rows={rows}
      rowKey={({ at }) => String(at)}
      start={{ key: 'live', direction: 'descending' }}
      limit={50}
    />
  );
}
