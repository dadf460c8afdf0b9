import { plural } from '../format.ts';
import styles from './model.module.css';

interface BarItem {
  readonly label: string;
  readonly value: number;
  readonly text: string;
  readonly title?: string;
}

interface BarsProps {
  /** Largest first. */
  readonly items: readonly BarItem[];
  readonly limit: number;
  readonly noun: string;
}

/** A small histogram as text with bars: readable without seeing it. */
export function Bars({ items, limit, noun }: BarsProps) {
  const most = Math.max(...items.map(({ value }) => value), 1);
  const rest = items.length - limit;
  return (
    <ul className={styles.bars}>
      {items.slice(0, limit).map(({ label, value, text, title }) => (
        <li key={label} className={styles.bar} title={title}>
          <span>{label}</span>
          <span className={styles.meter} aria-hidden>
            <span style={{ width: `${(100 * value) / most}%` }} />
          </span>
          <span>{text}</span>
        </li>
      ))}
      {rest > 0 && <li>and {plural(rest, `more ${noun}`, `more ${noun}s`)}</li>}
    </ul>
  );
}
