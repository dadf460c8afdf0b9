import { CircleCheck, CircleMinus, CircleX } from 'lucide-react';
import type { VariantFacts } from '../../core/study/results.ts';
import styles from './details.module.css';

type Fits = NonNullable<VariantFacts['runtimes']>;

const LEVELS = {
  runs: { label: 'runs', Icon: CircleCheck },
  partly: { label: 'partly', Icon: CircleMinus },
  'does-not-run': { label: 'does not run', Icon: CircleX },
} as const;

/** Which runtimes and hardware can run the variant, at what cost, and what ties it to some of them. */
export function RuntimeTable({ fits, lockIns }: Fits) {
  return (
    <div className={styles.block}>
      <h3>Where it runs</h3>
      <p className={styles.hint}>
        onnxruntime was measured operator by operator. The others are read from their documents, not run: “runs” means
        that nothing in them speaks against it.
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a table that scrolls must be reached by the keyboard */}
      <section className={styles.scroll} tabIndex={0} aria-label="Where it runs">
        <table className={styles.table}>
          <thead>
            <tr>
              <th scope="col">Runtime</th>
              <th scope="col">Hardware</th>
              <th scope="col">Fit</th>
              <th scope="col">Why</th>
              <th scope="col">Cost</th>
            </tr>
          </thead>
          <tbody>
            {fits.map(({ runtime, title, hardware, level, evidence, reasons, cost }) => {
              const { label, Icon } = LEVELS[level];
              return (
                <tr key={runtime}>
                  <th scope="row">{title}</th>
                  <td>{hardware}</td>
                  <td className={styles.fit} data-level={level}>
                    <Icon size={14} aria-hidden /> {label}
                    <span className={styles.hint}>, {evidence}</span>
                  </td>
                  <td>{reasons.join('; ') || '—'}</td>
                  <td>{cost}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </section>
      {lockIns.length > 0 && (
        <>
          <h4>What ties it down</h4>
          <ul>
            {lockIns.map((sentence) => (
              <li key={sentence}>{sentence}</li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}
