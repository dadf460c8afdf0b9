import { Crosshair, Download } from 'lucide-react';
import { useMemo, useState } from 'react';
import type { LensLayer, LensResult } from '../../core/precision/results.ts';
import { runLens } from '../../state/actions/analysis.ts';
import { saveTable } from '../../state/actions/export.ts';
import { lensKey } from '../../state/analysis-slice.ts';
import type { VariantRow } from '../../state/rows.ts';
import { useStudio } from '../../state/use-studio.ts';
import { ChartFrame } from '../charts/ChartFrame.tsx';
import { Button } from '../components/Button.tsx';
import { ErrorNote, Note } from '../components/Note.tsx';
import { type Column, SortableTable } from '../components/SortableTable.tsx';
import { formatCompact, plural } from '../format.ts';
import { LayerLink } from './LayerLink.tsx';
import { LensChart } from './LensChart.tsx';
import styles from './layers.module.css';
import { formatDb, lensCsv, lensSummary } from './lens-data.ts';
import { OriginNote } from './OriginNote.tsx';

/** Where a variant's error comes from: each layer by itself, and with all before it. */
export function ErrorLens({ row }: { readonly row: VariantRow }) {
  const entry = useStudio((state) => state.lenses[row.id]);
  const task = useStudio((state) => state.history?.present.study.task);
  const error = useStudio((state) => state.lensError);
  const busy = useStudio((state) => state.job !== null || state.opening !== null);
  if (row.isBaseline)
    return <Note level="info">The original is what variants are compared with. Select one of them.</Note>;
  const stale = entry !== undefined && task !== undefined && entry.key !== lensKey(row.recipe, task);
  return (
    <div className={styles.panel}>
      <div className={styles.bar}>
        <Button look={entry && !stale ? 'plain' : 'primary'} disabled={busy} onClick={() => void runLens(row.id)}>
          <Crosshair size={15} aria-hidden /> {entry ? 'Look again' : 'Where does the error come from?'}
        </Button>
        {entry && (
          <Button onClick={() => void saveTable(lensCsv(entry.result), `${row.name} error by layer`)}>
            <Download size={15} aria-hidden /> CSV
          </Button>
        )}
      </div>
      {error && <ErrorNote error={error} />}
      {stale && (
        <Note level="warning">The recipe or the task has changed since: these figures are of the settings before.</Note>
      )}
      {entry ? (
        <LensFigures result={entry.result} stale={stale} />
      ) : (
        <p className={styles.about}>
          Runs the variant beside the original on a few inputs and compares what every layer gives: the layer by itself,
          on the original’s inputs, and in the variant as a whole.
        </p>
      )}
    </div>
  );
}

function LensFigures({ result, stale }: { readonly result: LensResult; readonly stale: boolean }) {
  const [selected, setSelected] = useState<string | null>(null);
  const rows = useMemo(
    // What was pointed at stands first, so that it is seen however the table is sorted.
    () => [...result.layers].sort((a, b) => Number(b.name === selected) - Number(a.name === selected)),
    [result, selected],
  );
  return (
    <div className={stale ? `${styles.panel} ${styles.stale}` : styles.panel}>
      <ChartFrame
        title="Signal to quantization error by layer"
        unit="dB, higher is better"
        summary={lensSummary(result)}
        empty={result.layers.length === 0 ? 'No value of the original has a counterpart in the variant.' : null}
        legend={[
          { label: 'Line: accumulated, with all layers before', colour: 'var(--accent)' },
          { label: 'Diamonds: the layer by itself', colour: 'var(--series-heap)' },
        ]}
        flow
      >
        <LensChart layers={result.layers} selected={selected} onSelect={setSelected} />
      </ChartFrame>
      <OriginNote origin={result.origin} samples={result.samples} />
      {result.unmatched.count > 0 && (
        <p className={styles.about}>
          {plural(result.unmatched.count, 'layer')} of the original {result.unmatched.count === 1 ? 'has' : 'have'} no
          counterpart in the variant (fused or rewritten), for example {result.unmatched.names.slice(0, 3).join(', ')}.
        </p>
      )}
      <SortableTable
        caption="Error by layer. “By itself” gives the layer the original’s inputs; “with all before” runs the whole variant. A name leads to the layer on the graph."
        columns={COLUMNS}
        rows={rows}
        rowKey={({ name, order }) => `${order} ${name}`}
        selectedKey={selectedKey(result, selected)}
        start={{ key: 'local', direction: 'ascending' }}
      />
    </div>
  );
}

function selectedKey({ layers }: LensResult, selected: string | null): string | null {
  const layer = layers.find(({ name }) => name === selected);
  return layer ? `${layer.order} ${layer.name}` : null;
}

const figure = (value: number) => (value === 0 ? '0' : value.toPrecision(3));

const COLUMNS: readonly Column<LensLayer>[] = [
  { key: 'name', title: 'Layer', value: ({ name }) => name, draw: (layer) => <LayerLink {...layer} /> },
  { key: 'op', title: 'Operator', value: ({ opType }) => opType, draw: ({ opType }) => opType },
  {
    key: 'order',
    title: 'Order',
    value: ({ order }) => order,
    draw: ({ order }) => order + 1,
    isNumber: true,
    first: 'ascending',
  },
  {
    key: 'parameters',
    title: 'Weights',
    value: ({ parameters }) => parameters,
    draw: ({ parameters }) => (parameters > 0 ? formatCompact(parameters) : '–'),
    isNumber: true,
  },
  {
    key: 'local',
    title: 'SQNR by itself',
    value: ({ local }) => local.sqnrDb,
    draw: ({ local, changed }) => (changed ? formatDb(local.sqnrDb) : 'unchanged'),
    isNumber: true,
    first: 'ascending',
  },
  {
    key: 'accumulated',
    title: 'SQNR with all before',
    value: ({ accumulated }) => accumulated.sqnrDb,
    draw: ({ accumulated }) => formatDb(accumulated.sqnrDb),
    isNumber: true,
    first: 'ascending',
  },
  {
    key: 'cosine',
    title: 'Cosine by itself',
    value: ({ local }) => local.cosine,
    draw: ({ local }) => local.cosine.toFixed(5),
    isNumber: true,
    first: 'ascending',
  },
  {
    key: 'cosineAll',
    title: 'Cosine with all before',
    value: ({ accumulated }) => accumulated.cosine,
    draw: ({ accumulated }) => accumulated.cosine.toFixed(5),
    isNumber: true,
    first: 'ascending',
  },
  {
    key: 'maxAbs',
    title: 'Largest error by itself',
    value: ({ local }) => local.maxAbs,
    draw: ({ local }) => figure(local.maxAbs),
    isNumber: true,
  },
  {
    key: 'maxAbsAll',
    title: 'Largest error with all before',
    value: ({ accumulated }) => accumulated.maxAbs,
    draw: ({ accumulated }) => figure(accumulated.maxAbs),
    isNumber: true,
  },
];
