import type { ReactNode } from 'react';
import { PanelBoundary } from '../components/PanelBoundary.tsx';
import styles from './charts.module.css';

export interface LegendItem {
  readonly label: string;
  readonly colour: string;
  /** Hatched: predicted, not measured. */
  readonly hatched?: boolean;
}

interface ChartFrameProps {
  readonly title: string;
  readonly unit: string;
  readonly summary: string;
  readonly legend?: readonly LegendItem[];
  readonly control?: ReactNode;
  readonly empty?: string | null;
  readonly tall?: boolean;
  /** The chart has a height of its own instead of filling the frame. */
  readonly flow?: boolean;
  readonly children: ReactNode;
}

/** A chart with its name, unit, legend and its point in words. The table twin below the charts has the figures. */
export function ChartFrame({ title, unit, summary, legend, control, empty, tall, flow, children }: ChartFrameProps) {
  return (
    <figure className={styles.frame} aria-label={`${title}. ${summary}`}>
      <header className={styles.frameHead}>
        <h3>
          {title} <span className={styles.unit}>{unit}</span>
        </h3>
        {control}
      </header>
      {legend && (
        <ul className={styles.legend}>
          {legend.map((item) => (
            <li key={item.label}>
              <span className={styles.swatch} style={{ background: swatch(item) }} aria-hidden />
              {item.label}
            </li>
          ))}
        </ul>
      )}
      <div className={plotClass(tall, flow)}>
        {empty ? (
          <p className={styles.empty}>{empty}</p>
        ) : (
          <PanelBoundary name={`${title} chart`}>{children}</PanelBoundary>
        )}
      </div>
      <figcaption className={styles.summary}>{summary}</figcaption>
    </figure>
  );
}

function plotClass(tall = false, flow = false): string | undefined {
  if (flow) return undefined;
  return tall ? `${styles.plot} ${styles.plotTall}` : styles.plot;
}

function swatch({ colour, hatched }: LegendItem): string {
  return hatched ? `repeating-linear-gradient(135deg, ${colour} 0 2px, transparent 2px 4px)` : colour;
}
