import type { LedgerStep, VariantFacts } from '../../core/study/results.ts';
import { Note } from '../components/Note.tsx';
import { formatBytes, formatCompact, formatCount, formatDelta, formatMs } from '../format.ts';
import styles from './details.module.css';

/** The ledger: what each step did to nodes, file, work and memory, and whether the outputs were kept. */
export function StepTable({ facts }: { readonly facts: VariantFacts }) {
  const busy = facts.ledger.filter(({ fired, rolledBack }) => fired > 0 || rolledBack);
  const idle = facts.ledger.filter((step) => !busy.includes(step));
  const hasFigures = busy.some(({ macsBefore, peakActivationBytesBefore }) => macsBefore ?? peakActivationBytesBefore);
  return (
    <div className={styles.block}>
      <h3>What each step did</h3>
      <p className={styles.hint}>
        {formatCount(facts.nodes)} nodes, built in {formatMs(facts.buildMs)}.
      </p>
      {facts.proof && <ProofNote proof={facts.proof} />}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a table that scrolls must be reached by the keyboard */}
      <section className={styles.scroll} tabIndex={0} aria-label="What each step did">
        <table className={styles.table}>
          <thead>
            <tr>
              <th scope="col">Step</th>
              {['Changes', 'Nodes', 'File', ...(hasFigures ? ['MACs', 'Peak activations'] : []), 'Time'].map((name) => (
                <th key={name} scope="col" className={styles.number}>
                  {name}
                </th>
              ))}
              <th scope="col">For example</th>
            </tr>
          </thead>
          <tbody>
            {busy.map((step) => (
              <StepRow key={step.step} step={step} hasFigures={hasFigures} />
            ))}
          </tbody>
        </table>
      </section>
      {idle.length > 0 && (
        <p className={styles.hint}>Nothing to do for: {idle.map(({ title }) => title).join(', ')}.</p>
      )}
      {hasFigures && <p className={styles.hint}>MACs and peak activations are predicted from shapes.</p>}
    </div>
  );
}

function StepRow({ step, hasFigures }: { readonly step: LedgerStep; readonly hasFigures: boolean }) {
  return (
    <tr>
      <th scope="row">{step.title}</th>
      <td className={styles.number}>{step.rolledBack ? 'taken back' : formatCount(step.fired)}</td>
      <td className={styles.number}>
        {formatCount(step.nodesBefore)} → {formatCount(step.nodesAfter)}
      </td>
      <td className={styles.number}>
        {formatBytes(step.fileBytesAfter)} {delta(step.fileBytesBefore, step.fileBytesAfter)}
      </td>
      {hasFigures && (
        <>
          <td className={styles.number}>
            {known(step.macsAfter, formatCompact)} {delta(step.macsBefore, step.macsAfter)}
          </td>
          <td className={styles.number}>
            {known(step.peakActivationBytesAfter, formatBytes)}{' '}
            {delta(step.peakActivationBytesBefore, step.peakActivationBytesAfter)}
          </td>
        </>
      )}
      <td className={styles.number}>{formatMs(step.durationMs)}</td>
      <td>{step.rolledBack?.message ?? exampleOf(step.entries)}</td>
    </tr>
  );
}

function ProofNote({ proof }: { readonly proof: NonNullable<VariantFacts['proof']> }) {
  if (proof.status === 'skipped')
    return proof.reason === 'no step changed the model' ? null : (
      <p className={styles.hint}>Not checked against the original while building: {proof.reason}.</p>
    );
  return <Note level={proof.status === 'kept' ? 'info' : 'warning'}>{proof.reason}</Note>;
}

const known = (value: number | null | undefined, format: (value: number) => string): string =>
  value === null || value === undefined ? 'unknown' : format(value);

function delta(before: number | null | undefined, after: number | null | undefined): string {
  if (!before || after === null || after === undefined || after === before) return '';
  return formatDelta(after / before - 1);
}

function exampleOf(entries: LedgerStep['entries']): string {
  const [first] = entries;
  if (!first) return '';
  const from = first.from.slice(0, 2).join(', ');
  return from ? `${first.action}: ${from}` : first.action;
}
