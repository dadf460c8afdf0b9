import { ArrowLeftRight } from 'lucide-react';
import { useMemo, useState } from 'react';
import { diffGraphs } from '../../core/diff/diff.ts';
import type { GraphDiff } from '../../core/diff/types.ts';
import type { VariantGraph } from '../../services/variant-graph.ts';
import { selectComparison, type VariantRow } from '../../state/rows.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { ErrorNote, Note } from '../components/Note.tsx';
import { formatBytes, formatCount, plural } from '../format.ts';
import { type GraphState, useGraph } from '../graph/use-graph.ts';
import { Working } from '../graph/Working.tsx';
import { DiffList } from './DiffList.tsx';
import { DiffPicture } from './DiffPicture.tsx';
import styles from './diff.module.css';

/** Two variants' graphs side by side: what was fused, replaced, removed, added and changed, and by which step. */
export default function DiffView() {
  const { rows } = useStudio(selectComparison);
  const selectedId = useStudio((state) => state.selectedId);
  const [baseId, setBaseId] = useState<string | null>(null);
  const after = rows.find(({ id }) => id === selectedId) ?? rows[0];
  const before = rows.find(({ id }) => id === baseId) ?? rows[0];
  if (!after || !before) return null;
  const choose = (id: string) => studio.getState().selectVariant(id);
  return (
    <section className={styles.view} aria-label={`Difference between ${before.name} and ${after.name}`}>
      <h2 className="visually-hidden">What is different</h2>
      <div className={styles.bar}>
        <SidePicker label="Before" rows={rows} row={before} onChoose={setBaseId} />
        <Button
          icon
          look="quiet"
          aria-label="Swap the sides"
          onClick={() => {
            setBaseId(after.id);
            choose(before.id);
          }}
        >
          <ArrowLeftRight size={16} />
        </Button>
        <SidePicker label="After" rows={rows} row={after} onChoose={choose} />
      </div>
      {before.id === after.id ? (
        <Note level="info">Choose another variant to compare {before.name} with.</Note>
      ) : (
        <Sides key={`${before.id} ${after.id}`} before={before} after={after} />
      )}
    </section>
  );
}

interface PickerProps {
  readonly label: string;
  readonly rows: readonly VariantRow[];
  readonly row: VariantRow;
  readonly onChoose: (id: string) => void;
}

function SidePicker({ label, rows, row, onChoose }: PickerProps) {
  return (
    <label className={styles.side}>
      {label}
      <select className={controls.select} value={row.id} onChange={(event) => onChoose(event.target.value)}>
        {rows.map(({ id, letter, name, isBaseline }) => (
          <option key={id} value={id}>
            {isBaseline ? name : `${letter} ${name}`}
          </option>
        ))}
      </select>
    </label>
  );
}

function Sides({ before, after }: { readonly before: VariantRow; readonly after: VariantRow }) {
  const one = useGraph(before.recipe);
  const other = useGraph(after.recipe);
  const failed = one.error ? one : other.error ? other : null;
  if (failed) return <Failed state={failed} />;
  if (!one.graph || !other.graph) {
    const waiting = one.graph ? other : one;
    return waiting.progress ? <Working progress={waiting.progress} onCancel={waiting.cancel} /> : null;
  }
  return <Difference before={one.graph} after={other.graph} isFromOriginal={before.isBaseline} />;
}

function Failed({ state }: { readonly state: GraphState }) {
  const again = <Button onClick={state.retry}>Try again</Button>;
  if (state.error!.code === 'job/cancelled')
    return (
      <Note level="info" action={again}>
        Building the graphs was cancelled.
      </Note>
    );
  return <ErrorNote error={state.error!} action={again} />;
}

interface DifferenceProps {
  readonly before: VariantGraph;
  readonly after: VariantGraph;
  /** Then the steps' own record says what they did. */
  readonly isFromOriginal: boolean;
}

function Difference({ before, after, isFromOriginal }: DifferenceProps) {
  const diff = useMemo(
    () => diffGraphs(before.document, after.document, isFromOriginal ? after.ledger : []),
    [before, after, isFromOriginal],
  );
  const [chosen, choose] = useState(0);
  const item = diff.items[chosen];
  return (
    <>
      <p className={styles.summary} role="status">
        {summaryOf(diff)}
        {!isFromOriginal && ' Which step did what is known against the original only.'}
      </p>
      {item && (
        <div className={styles.columns}>
          <DiffList diff={diff} before={before.document} after={after.document} chosen={chosen} onChoose={choose} />
          <DiffPicture item={item} before={before} after={after} />
        </div>
      )}
    </>
  );
}

/** The point of it in words: "765 nodes became 377: 31 fused, 12 removed …". */
function summaryOf({
  nodesBefore,
  nodesAfter,
  counts,
  unchanged,
  weightBytesBefore,
  weightBytesAfter,
}: GraphDiff): string {
  const found = (['fused', 'replaced', 'removed', 'added', 'changed'] as const)
    .filter((kind) => counts[kind] > 0)
    .map((kind) => `${formatCount(counts[kind])} ${kind}`);
  if (found.length === 0) return `No differences: ${plural(unchanged, 'node')} on both sides.`;
  const weights =
    formatBytes(weightBytesBefore) === formatBytes(weightBytesAfter)
      ? ''
      : ` Weights: ${formatBytes(weightBytesBefore)} became ${formatBytes(weightBytesAfter)}.`;
  return `${plural(nodesBefore, 'node')} became ${formatCount(nodesAfter)}: ${found.join(', ')}, ${formatCount(unchanged)} unchanged.${weights}`;
}
