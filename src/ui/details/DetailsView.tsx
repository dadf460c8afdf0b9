import { ChartArea } from 'lucide-react';
import { lazy, Suspense } from 'react';
import { StudioError } from '../../core/base/errors/index.ts';
import type { TargetMeasurement } from '../../core/study/results.ts';
import { selectComparison, type TargetCell, type VariantRow } from '../../state/rows.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import { ErrorNote, Note } from '../components/Note.tsx';
import { PanelBoundary } from '../components/PanelBoundary.tsx';
import { plural } from '../format.ts';
import styles from './details.module.css';
import { RuntimeTable } from './RuntimeTable.tsx';
import { StepTable } from './StepTable.tsx';

const StepLatencyPanel = lazy(() => import('./StepLatency.tsx'));
const MemoryOverTime = lazy(() => import('./MemoryOverTime.tsx'));

/** Everything that is known about the selected variant: what each step did, warnings, placement, parity, examples. */
export function DetailsView() {
  const { rows } = useStudio(selectComparison);
  const selectedId = useStudio((state) => state.selectedId);
  const row = rows.find(({ id }) => id === selectedId) ?? rows[0];
  if (!row) return null;
  const nothing = !row.facts && !row.error;
  return (
    <section className={styles.view} aria-label={`Details of ${row.name}`}>
      <h2 className="visually-hidden">Details of {row.name}</h2>
      {row.state === 'stale' && (
        <Note level="warning">These figures are of earlier settings. Run again to update them.</Note>
      )}
      {nothing && <p>Not run yet. Press Run all (R).</p>}
      {row.error && <ErrorNote error={row.error} />}
      {row.cells.map(({ key, label, measurement }) =>
        measurement?.error ? <ErrorNote key={key} error={withAdvice(measurement.error)} where={label} /> : null,
      )}
      {row.facts && <Advisories row={row} />}
      {row.facts && row.facts.ledger.length > 0 && (
        <>
          <StepTable facts={row.facts} variantId={row.id} originalId={rows[0]!.id} />
          <PanelBoundary name="latency of the steps">
            <Suspense fallback={null}>
              <StepLatencyPanel key={row.id} row={row} />
            </Suspense>
          </PanelBoundary>
        </>
      )}
      {row.facts && <Memory rows={row.isBaseline ? [row] : [rows[0]!, row]} />}
      {row.facts?.runtimes && <RuntimeTable {...row.facts.runtimes} />}
      {row.cells.map(
        (cell) => cell.measurement && <TargetDetails key={cell.key} cell={cell} measurement={cell.measurement} />,
      )}
    </section>
  );
}

/** Building the variant anew takes as long as it takes: only when asked for. */
function Memory({ rows }: { readonly rows: readonly VariantRow[] }) {
  const shown = useStudio((state) => state.memoryShown);
  const { showMemory } = studio.getState();
  return (
    <div className={styles.block}>
      <h3>Memory over time</h3>
      <p className={styles.hint}>
        Predicted from shapes: which values are alive while each node runs, and which tensors make the peak.
      </p>
      <div className={styles.bar}>
        <Button aria-expanded={shown} onClick={() => showMemory(!shown)}>
          <ChartArea size={15} aria-hidden /> {shown ? 'Hide the memory plan' : 'Show the memory plan'}
        </Button>
      </div>
      {shown && (
        <PanelBoundary name="memory plan">
          <Suspense fallback={<p className={styles.hint}>Loading …</p>}>
            <MemoryOverTime key={rows.map(({ id }) => id).join(' ')} rows={rows} />
          </Suspense>
        </PanelBoundary>
      )}
    </div>
  );
}

function Advisories({ row }: { readonly row: VariantRow }) {
  const advisories = row.facts?.advisories ?? [];
  if (advisories.length === 0) return null;
  return (
    <div className={styles.block}>
      {advisories.map((advisory) => (
        <Note key={`${advisory.code}/${advisory.message}`} level={advisory.level}>
          {advisory.message}
        </Note>
      ))}
    </div>
  );
}

function TargetDetails({ cell, measurement }: { readonly cell: TargetCell; readonly measurement: TargetMeasurement }) {
  const { placement, parity, optimizers, evaluation } = measurement;
  return (
    <div className={styles.block}>
      <h3>{cell.label}</h3>
      {measurement.engine.name && (
        <p className={styles.hint}>
          {measurement.engine.name} {measurement.engine.version}
          {measurement.threads > 0 && `, ${plural(measurement.threads, 'thread')}`}, measured{' '}
          {new Date(measurement.measuredAt).toLocaleString()}.{' '}
          {measurement.latency &&
            `Latency covers copying inputs in, running, and reading outputs back${measurement.latency.interleaved ? '; variants took turns' : ''}.`}
        </p>
      )}
      {cell.verdict && !measurement.error && <p>Gate: {cell.verdict.reason}</p>}
      {parity && (
        <Note level={parity.verdict === 'match' ? 'info' : parity.verdict === 'drift' ? 'warning' : 'error'}>
          {parity.verdict === 'match'
            ? `Same numbers as ${parity.reference}`
            : `Other numbers than ${parity.reference} from the same file`}
          : largest absolute error {parity.maxAbsError.toPrecision(2)}, cosine {parity.cosine.toFixed(6)},{' '}
          {plural(parity.samples, 'sample')}.
        </Note>
      )}
      {placement && <PlacementText placement={placement} />}
      {optimizers && optimizers.fired.length > 0 && (
        <p className={styles.hint}>Passes of onnxruntime that fired: {[...new Set(optimizers.fired)].join(', ')}.</p>
      )}
      {evaluation?.examples && evaluation.examples.length > 0 && <Examples examples={evaluation.examples} />}
    </div>
  );
}

/** Reports of other versions may carry codes without advice here. */
function withAdvice(error: NonNullable<TargetMeasurement['error']>) {
  return { message: error.message, advice: error.advice || new StudioError('internal/unexpected', {}).advice };
}

function PlacementText({ placement }: { readonly placement: NonNullable<TargetMeasurement['placement']> }) {
  const parts = placement.providers.map(
    ({ provider, nodes, opTypes }) => `${plural(nodes, 'node')} on ${provider}${topOps(opTypes)}`,
  );
  return (
    <>
      <p className={styles.hint}>
        Placement: {parts.join('; ')}
        {placement.copies > 0 && `; ${plural(placement.copies, 'copy', 'copies')} between devices`}.
      </p>
      {placement.missingKernels.length > 0 && (
        <Note level="warning">No kernel there, so these ran on the CPU: {placement.missingKernels.join(', ')}.</Note>
      )}
    </>
  );
}

/** " (12 Conv, 3 Relu, …)", or nothing where the runtime only counted. */
function topOps(opTypes: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(opTypes).sort((a, b) => b[1] - a[1]);
  const shown = sorted.slice(0, 5).map(([op, count]) => `${count} ${op}`);
  if (shown.length === 0) return '';
  return ` (${shown.join(', ')}${sorted.length > 5 ? ', …' : ''})`;
}

function Examples({ examples }: { readonly examples: readonly { expected: string; got: string }[] }) {
  return (
    <details>
      <summary>{plural(examples.length, 'example')} of what went wrong</summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a table that scrolls must be reached by the keyboard */}
      <section className={styles.scroll} tabIndex={0} aria-label="Examples of what went wrong">
        <table className={styles.table}>
          <thead>
            <tr>
              <th scope="col">Expected</th>
              <th scope="col">Got</th>
            </tr>
          </thead>
          <tbody className={styles.examples}>
            {examples.map(({ expected, got }) => (
              <tr key={`${expected}/${got}`}>
                <td>{expected}</td>
                <td>{got}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </details>
  );
}
