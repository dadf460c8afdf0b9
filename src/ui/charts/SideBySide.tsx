import { selectComparison } from '../../state/rows.ts';
import { useStudio } from '../../state/use-studio.ts';
import { AccuracyChart } from './AccuracyChart.tsx';
import styles from './charts.module.css';
import { LatencyChart } from './LatencyChart.tsx';
import { MemoryChart } from './MemoryChart.tsx';

/** The heart: memory, latency and accuracy of all variants, side by side. Loaded on demand: recharts is heavy. */
export default function SideBySide() {
  const comparison = useStudio(selectComparison);
  return (
    <div className={styles.grid}>
      <h2 className="visually-hidden">Side by side</h2>
      <MemoryChart comparison={comparison} />
      <LatencyChart comparison={comparison} />
      <AccuracyChart comparison={comparison} />
    </div>
  );
}
