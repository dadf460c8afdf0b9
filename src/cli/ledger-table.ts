/** The ledger of a build as text: what each step did to nodes, file, work and memory. */
import type { LedgerStep, VariantFacts } from '../core/study/results.ts';
import { formatBytes, formatMs, formatTable } from './format.ts';

const header = ['  Step', 'Changes', 'Nodes', 'File', 'MACs', 'Peak activations', 'Time'];

/** Steps that found nothing to do share one line. */
export function ledgerTable(ledger: readonly LedgerStep[]): string {
  const busy = ledger.filter(({ fired, rolledBack }) => fired > 0 || rolledBack);
  const idle = ledger.filter((step) => !busy.includes(step));
  const rows = busy.map((step) => [
    `  ${step.title}`,
    step.rolledBack ? 'taken back' : `${step.fired} x`,
    change(step.nodesBefore, step.nodesAfter, String),
    change(step.fileBytesBefore, step.fileBytesAfter, formatBytes),
    change(step.macsBefore, step.macsAfter, formatMacs),
    change(step.peakActivationBytesBefore, step.peakActivationBytesAfter, formatBytes),
    formatMs(step.durationMs),
  ]);
  const rest = idle.length > 0 ? [`  Nothing to do: ${idle.map(({ title }) => title).join(', ')}.`] : [];
  return [...(rows.length > 0 ? [formatTable([header, ...rows])] : []), ...rest].join('\n');
}

export function proofText({ status, reason }: NonNullable<VariantFacts['proof']>): string {
  return status === 'skipped' ? `not checked against the original: ${reason}.` : reason;
}

/** One figure where nothing changed, "a -> b" where it did, "?" where it is not known. */
function change(
  before: number | null | undefined,
  after: number | null | undefined,
  format: (value: number) => string,
): string {
  if (before === null || before === undefined || after === null || after === undefined) return '?';
  const [from, to] = [format(before), format(after)];
  return from === to ? to : `${from} -> ${to}`;
}

function formatMacs(macs: number): string {
  if (macs < 1e6) return `${(macs / 1e3).toFixed(1)} k`;
  return macs < 1e9 ? `${(macs / 1e6).toFixed(1)} M` : `${(macs / 1e9).toFixed(2)} G`;
}
