import { useRef } from 'react';
import { selectComparison, type VariantRow } from '../../state/rows.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { ErrorNote, Note } from '../components/Note.tsx';
import { GraphExplorer } from './GraphExplorer.tsx';
import styles from './graph.module.css';
import { useGraph } from './use-graph.ts';
import { Working } from './Working.tsx';

/** The selected variant's graph. It is built when one looks at it; no run is needed. */
export default function GraphView() {
  const { rows } = useStudio(selectComparison);
  const selectedId = useStudio((state) => state.selectedId);
  const row = rows.find(({ id }) => id === selectedId) ?? rows[0];
  if (!row) return null;
  return (
    <section className={styles.view} aria-label={`Graph of ${row.name}`}>
      <h2 className="visually-hidden">Graph of {row.name}</h2>
      <RowGraph rows={rows} row={row} />
    </section>
  );
}

function RowGraph({ rows, row }: { readonly rows: readonly VariantRow[]; readonly row: VariantRow }) {
  const { graph, progress, error, cancel, retry } = useGraph(row.recipe);
  const picker = <VariantPicker rows={rows} row={row} />;
  // The graph before stays until the next is there, so that one sees what changes.
  const last = useRef(graph);
  if (graph) last.current = graph;
  const shown = graph ?? (error ? null : last.current);
  if (error)
    return (
      <div className={styles.empty}>
        {picker}
        {error.code === 'job/cancelled' ? (
          <Note level="info" action={<Button onClick={retry}>Build it</Button>}>
            Building the graph was cancelled.
          </Note>
        ) : (
          <ErrorNote error={error} action={<Button onClick={retry}>Try again</Button>} />
        )}
      </div>
    );
  if (!shown)
    return (
      <div className={styles.empty}>
        {picker}
        {progress && <Working progress={progress} onCancel={cancel} />}
      </div>
    );
  return <GraphExplorer graph={shown} row={row} picker={picker} building={progress} onCancel={cancel} />;
}

function VariantPicker({ rows, row }: { readonly rows: readonly VariantRow[]; readonly row: VariantRow }) {
  return (
    <select
      className={`${controls.select} ${styles.picker}`}
      aria-label="Graph of"
      value={row.id}
      onChange={(event) => studio.getState().selectVariant(event.target.value)}
    >
      {rows.map(({ id, letter, name, isBaseline }) => (
        <option key={id} value={id}>
          {isBaseline ? name : `${letter} ${name}`}
        </option>
      ))}
    </select>
  );
}
