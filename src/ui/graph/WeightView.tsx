import { useEffect, useState } from 'react';
import { type ErrorRecord, toErrorRecord } from '../../core/base/errors/index.ts';
import { quietJob } from '../../core/base/progress.ts';
import type { WeightRef } from '../../core/graph-view/document.ts';
import type { WeightStatistics } from '../../core/graph-view/weight-statistics.ts';
import type { VariantGraph } from '../../services/variant-graph.ts';
import { stopUnlessBusy } from '../../state/actions/graph.ts';
import { Button } from '../components/Button.tsx';
import { ErrorNote } from '../components/Note.tsx';
import { formatCount, formatPercent } from '../format.ts';
import { barHeights } from '../layers/Histogram.tsx';
import styles from './graph.module.css';
import { Fact } from './NodePanel.tsx';

interface WeightViewProps {
  readonly graph: VariantGraph;
  readonly scope: number;
  readonly weight: WeightRef;
}

/** A weight's statistics, histogram and values: read when they are asked for, a page at a time. */
export function WeightView({ graph, scope, weight }: WeightViewProps) {
  const [statistics, setStatistics] = useState<WeightStatistics | null>(null);
  const [share, setShare] = useState(0);
  const [error, setError] = useState<ErrorRecord | null>(null);
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    let isOver = false;
    const onProgress = ({ done, total }: { done: number; total: number | null }) =>
      setShare(total ? Math.min(1, done / total) : 0);
    graph.weight(scope, weight.name, { ...quietJob, signal, onProgress }).then(
      (found) => isOver || setStatistics(found),
      (cause: unknown) => isOver || setError(toErrorRecord(cause)),
    );
    return () => {
      isOver = true;
      stopUnlessBusy(controller);
    };
  }, [graph, scope, weight]);
  return (
    <div className={styles.weightBody}>
      {error && <ErrorNote error={error} />}
      {!statistics && !error && share > 0 && <progress value={share} aria-label="Reading the weight" />}
      {statistics && <Statistics {...statistics} />}
      <ValuePages graph={graph} scope={scope} weight={weight} />
    </div>
  );
}

const figure = (value: number | null): string => (value === null ? 'none' : `${Number(value.toPrecision(5))}`);

function Statistics(statistics: WeightStatistics) {
  const { elements, min, max, mean, standardDeviation, zeros, nans, infinities, histogram } = statistics;
  return (
    <>
      <dl className={styles.facts}>
        <Fact term="Elements" value={formatCount(elements)} />
        <Fact term="Minimum" value={figure(min)} />
        <Fact term="Maximum" value={figure(max)} />
        <Fact term="Mean" value={figure(mean)} />
        <Fact term="Standard deviation" value={figure(standardDeviation)} />
        <Fact
          term="Zeros"
          value={`${formatCount(zeros)} (${formatPercent(elements === 0 ? 0 : zeros / elements, 2)})`}
        />
        <Fact term="NaN" value={formatCount(nans)} />
        <Fact term="Infinite" value={infinities === 0 ? '' : formatCount(infinities)} />
      </dl>
      {histogram.length > 0 && min !== null && max !== null && (
        <WeightHistogram counts={histogram} min={min} max={max} />
      )}
    </>
  );
}

const WIDTH = 240;
const HEIGHT = 56;

function WeightHistogram({
  counts,
  min,
  max,
}: {
  readonly counts: readonly number[];
  readonly min: number;
  readonly max: number;
}) {
  const width = WIDTH / counts.length;
  const fullest = counts.indexOf(Math.max(...counts));
  const step = (max - min) / counts.length;
  const text = `Histogram of ${counts.length} bins from ${figure(min)} to ${figure(max)}, counts on a logarithmic scale; most values lie between ${figure(min + fullest * step)} and ${figure(min + (fullest + 1) * step)}.`;
  return (
    <figure className={styles.histogram}>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={text}>
        {barHeights(counts).map((height, index) => (
          <rect
            // biome-ignore lint/suspicious/noArrayIndexKey: a bin is its place
            key={index}
            x={index * width}
            y={HEIGHT - height * HEIGHT}
            width={Math.max(width - 0.5, 0.8)}
            height={height * HEIGHT}
            fill="var(--accent)"
          />
        ))}
      </svg>
      <figcaption>
        <span>{figure(min)}</span>
        <span>counts, log scale</span>
        <span>{figure(max)}</span>
      </figcaption>
    </figure>
  );
}

const PAGE = 64;

function ValuePages({ graph, scope, weight }: WeightViewProps) {
  const { name, dims } = weight;
  const elements = dims.reduce((product, size) => product * size, 1);
  const [start, setStart] = useState(0);
  const [values, setValues] = useState<readonly string[]>([]);
  useEffect(() => {
    let isOver = false;
    graph.values(scope, name, start, PAGE).then(
      (page) => isOver || setValues(page),
      () => isOver || setValues([]),
    );
    return () => {
      isOver = true;
    };
  }, [graph, scope, name, start]);
  const last = Math.max(0, Math.floor((elements - 1) / PAGE) * PAGE);
  const to = (next: number) => setStart(Math.min(last, Math.max(0, next)));
  const end = Math.min(elements, start + PAGE);
  return (
    <div className={styles.valuePages}>
      <p className={styles.hint} aria-live="polite">
        Values {formatCount(elements === 0 ? 0 : start + 1)} to {formatCount(end)} of {formatCount(elements)}
        {dims.length > 1 && elements > 0 && `, from [${indexOf(start, dims).join(', ')}]`}
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section className={styles.valueText} tabIndex={0} aria-label={`Values of ${name}`}>
        {values.join('  ')}
      </section>
      {elements > PAGE && (
        <div className={styles.pager}>
          <Button disabled={start === 0} onClick={() => to(0)}>
            First
          </Button>
          <Button disabled={start === 0} onClick={() => to(start - PAGE)}>
            Previous
          </Button>
          <Button disabled={start >= last} onClick={() => to(start + PAGE)}>
            Next
          </Button>
          <Button disabled={start >= last} onClick={() => to(last)}>
            Last
          </Button>
        </div>
      )}
    </div>
  );
}

/** Position in C order -> index in each dimension. */
export function indexOf(position: number, dims: readonly number[]): number[] {
  let rest = position;
  return dims
    .map((_, at) => {
      const size = dims[dims.length - 1 - at]!;
      const index = rest % size;
      rest = Math.floor(rest / size);
      return index;
    })
    .reverse();
}
