import { type ReactNode, useRef } from 'react';
import { PanelBoundary } from '../components/PanelBoundary.tsx';
import { useTurnToDraw } from '../in-turn.ts';
import styles from './charts.module.css';
import { SaveChart } from './SaveChart.tsx';

export interface LegendItem {
  readonly label: string;
  readonly colour: string;
  /** Hatched: predicted, not measured. */
  readonly hatched?: boolean;
  /** The outline of a mark of 12 by 12 pixels, where shapes tell things apart. */
  readonly mark?: string;
}

const NO_LEGEND: readonly LegendItem[] = [];

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
  /** Said in the saved picture only: what on the page is read elsewhere, such as names that letters stand for. */
  readonly savedNote?: string;
  readonly children: ReactNode;
}

/**
 * A chart with its name, unit, legend and its point in words, and the menu that saves it as a picture. Text beside the
 * drawing that belongs into the picture carries `data-chart-text`. The table twin below the charts has the figures.
 */
export function ChartFrame({
  title,
  unit,
  summary,
  legend,
  control,
  empty,
  tall,
  flow,
  savedNote,
  children,
}: ChartFrameProps) {
  const figure = useRef<HTMLElement>(null);
  const due = useTurnToDraw();
  return (
    <figure ref={figure} className={styles.frame} aria-label={`${title}. ${summary}`}>
      <header className={styles.frameHead}>
        <h3>
          {title} <span className={styles.unit}>{unit}</span>
        </h3>
        <span className={styles.controls}>
          {control}
          {!empty && (
            <SaveChart
              figure={figure}
              chart={{ title, unit, summary, note: savedNote ?? '', legend: legend ?? NO_LEGEND }}
            />
          )}
        </span>
      </header>
      {legend && (
        <ul className={styles.legend}>
          {legend.map((item) => (
            <li key={item.label}>
              <Swatch item={item} />
              {item.label}
            </li>
          ))}
        </ul>
      )}
      <div className={plotClass(tall, flow)} data-chart-picture>
        {empty ? (
          <p className={styles.empty}>{empty}</p>
        ) : (
          <PanelBoundary name={`${title} chart`}>{due && children}</PanelBoundary>
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

function Swatch({ item }: { readonly item: LegendItem }) {
  if (!item.mark) return <span className={styles.swatch} style={{ background: swatch(item) }} aria-hidden />;
  return (
    <svg width={12} height={12} aria-hidden="true">
      <path d={item.mark} fill={item.colour} stroke="var(--text)" strokeWidth={0.6} />
    </svg>
  );
}

function swatch({ colour, hatched }: LegendItem): string {
  return hatched ? `repeating-linear-gradient(135deg, ${colour} 0 2px, transparent 2px 4px)` : colour;
}
