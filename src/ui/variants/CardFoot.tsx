import { LoaderCircle, TriangleAlert } from 'lucide-react';
import { primaryCell, type VariantRow } from '../../state/rows.ts';
import { studio } from '../../state/store.ts';
import { Tip } from '../components/Tip.tsx';
import { plural } from '../format.ts';
import { VerdictBadge } from './VerdictBadge.tsx';
import styles from './variants.module.css';

export function showDetails(id: string): void {
  const { selectVariant, setView } = studio.getState();
  selectVariant(id);
  setView('details');
}

/** The verdict and what else wants attention, each a way into the details. */
export function CardFoot({ row }: { readonly row: VariantRow }) {
  const verdict = primaryCell(row)?.verdict;
  const warnings = row.facts?.advisories.filter(({ level }) => level !== 'info').length ?? 0;
  const unknown = row.cells.flatMap(({ measurement }) => measurement?.optimizers?.unknownDisabled ?? []).length;
  const fired = row.facts?.ledger.reduce((sum, step) => sum + step.fired, 0) ?? 0;
  const parity = row.cells.find(({ measurement }) => measurement?.parity && measurement.parity.verdict !== 'match');
  return (
    <footer className={styles.foot}>
      {row.state === 'running' && (
        <span className={styles.badge}>
          <LoaderCircle size={12} aria-hidden /> running
        </span>
      )}
      {row.state === 'stale' && (
        <Tip text="The figures are of earlier settings. Run again to measure the present ones.">
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the tooltip must be reachable by keyboard */}
          <span className={styles.badge} tabIndex={0}>
            stale
          </span>
        </Tip>
      )}
      {verdict && row.state !== 'running' && <VerdictBadge verdict={verdict} />}
      {parity && (
        <button type="button" className={styles.badge} onClick={() => showDetails(row.id)}>
          <TriangleAlert size={12} aria-hidden /> {parity.label} differs
        </button>
      )}
      {warnings + unknown > 0 && (
        <button
          type="button"
          className={styles.badge}
          title={plural(warnings + unknown, 'warning')}
          onClick={() => showDetails(row.id)}
        >
          <TriangleAlert size={12} aria-label="warnings" /> {warnings + unknown}
        </button>
      )}
      {fired > 0 && (
        <button
          type="button"
          className={styles.badge}
          title="Changes to the graph: show which"
          onClick={() => showDetails(row.id)}
        >
          {plural(fired, 'change')}
        </button>
      )}
    </footer>
  );
}
