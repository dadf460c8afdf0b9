import { type ComponentType, memo } from 'react';
import { type Comparison, selectComparison } from '../../state/rows.ts';
import { useStudio } from '../../state/use-studio.ts';
import { useInTurn } from '../in-turn.ts';
import { AccuracyChart } from './AccuracyChart.tsx';
import styles from './charts.module.css';
import { LatencyChart } from './LatencyChart.tsx';
import { MemoryChart } from './MemoryChart.tsx';

type Chart = ComponentType<{ readonly comparison: Comparison }>;

const Memory = memo(MemoryChart);
const Latency = memo(LatencyChart);
const Accuracy = memo(AccuracyChart);

/** The heart: memory, latency and accuracy of all variants, side by side. Loaded on demand: recharts is heavy. */
export default function SideBySide() {
  return (
    <div className={styles.grid}>
      <h2 className="visually-hidden">Side by side</h2>
      <InTurn chart={Memory} />
      <InTurn chart={Latency} />
      <InTurn chart={Accuracy} />
    </div>
  );
}

function InTurn({ chart: Chart }: { readonly chart: Chart }) {
  return <Chart comparison={useInTurn(useStudio(selectComparison))} />;
}
