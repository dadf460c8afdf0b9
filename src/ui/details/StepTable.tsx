import { useState } from 'react';
import type { LedgerStep, VariantFacts } from '../../core/study/results.ts';
import { Button } from '../components/Button.tsx';
import { Note } from '../components/Note.tsx';
import { formatBytes, formatCompact, formatCount, formatDelta, formatMs, plural } from '../format.ts';
import styles from './details.module.css';
import { NodeLink } from './NodeLink.tsx';

interface StepTableProps {
  readonly facts: VariantFacts;
  readonly variantId: string;
  readonly originalId: string;
}

/** The ledger: what each step did to nodes, file, work and memory, and whether the outputs were kept. */
export function StepTable({ facts, variantId, originalId }: StepTableProps) {
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
              <th scope="col">Where</th>
            </tr>
          </thead>
          <tbody>
            {busy.map((step) => (
              <StepRow
                key={step.step}
                step={step}
                hasFigures={hasFigures}
                variantId={variantId}
                originalId={originalId}
              />
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

interface StepRowProps extends Omit<StepTableProps, 'facts'> {
  readonly step: LedgerStep;
  readonly hasFigures: boolean;
}

function StepRow({ step, hasFigures, ...ids }: StepRowProps) {
  const [open, setOpen] = useState(false);
  const { entries, rolledBack } = step;
  return (
    <>
      <tr>
        <th scope="row">{step.title}</th>
        <td className={styles.number}>{rolledBack ? 'taken back' : formatCount(step.fired)}</td>
        <td className={styles.number}>
          {formatCount(step.nodesBefore)} → {formatCount(step.nodesAfter)}
        </td>
        <Figure before={step.fileBytesBefore} after={step.fileBytesAfter} format={formatBytes} />
        {hasFigures && (
          <>
            <Figure before={step.macsBefore} after={step.macsAfter} format={formatCompact} />
            <Figure
              before={step.peakActivationBytesBefore}
              after={step.peakActivationBytesAfter}
              format={formatBytes}
            />
          </>
        )}
        <td className={styles.number}>{formatMs(step.durationMs)}</td>
        <td>
          {rolledBack?.message ??
            (entries.length > 0 && (
              <button type="button" className={styles.link} aria-expanded={open} onClick={() => setOpen(!open)}>
                {open ? 'Hide' : 'Show'} {plural(entries.length, 'place')}
              </button>
            ))}
        </td>
      </tr>
      {open && (
        <tr>
          <td colSpan={hasFigures ? 8 : 6}>
            <Places step={step} {...ids} />
          </td>
        </tr>
      )}
    </>
  );
}

const PLACES = 50;
const NAMES = 6;

/** Where a step fired: what was there, and what took its place. Each name leads to the graph that has it. */
function Places({ step: { title, entries, fired }, variantId, originalId }: Omit<StepRowProps, 'hasFigures'>) {
  const [all, setAll] = useState(false);
  const shown = all ? entries : entries.slice(0, PLACES);
  return (
    <>
      <ul className={styles.places} aria-label={`Where ${title} changed something`}>
        {shown.map(({ action, from, to }, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the ledger is a list that does not change
          <li key={index}>
            {action}
            {from.length > 0 && ': '}
            <Names names={from} variantId={originalId} />
            {to.length > 0 && ' → '}
            <Names names={to} variantId={variantId} />
          </li>
        ))}
      </ul>
      {entries.length > shown.length && (
        <Button look="quiet" onClick={() => setAll(true)}>
          Show all {formatCount(entries.length)}
        </Button>
      )}
      {fired > entries.length && (
        <p className={styles.hint}>
          The first {formatCount(entries.length)} of {formatCount(fired)} are kept.
        </p>
      )}
    </>
  );
}

function Names({ names, variantId }: { readonly names: readonly string[]; readonly variantId: string }) {
  const rest = names.length - NAMES;
  return (
    <>
      {names.slice(0, NAMES).map((name, index) => (
        <span key={name}>
          {index > 0 && ', '}
          <NodeLink name={name} variantId={variantId} />
        </span>
      ))}
      {rest > 0 && ` and ${formatCount(rest)} more`}
    </>
  );
}

interface FigureProps {
  readonly before: number | null | undefined;
  readonly after: number | null | undefined;
  readonly format: (value: number) => string;
}

/** "before → after", or one figure where nothing changed. */
function Figure({ before, after, format }: FigureProps) {
  const [from, to] = [known(before, format), known(after, format)];
  return (
    <td className={styles.number}>
      {before === after || from === to ? to : `${from} → ${to}`} {delta(before, after)}
    </td>
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
