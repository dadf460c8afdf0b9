import { selectComparison } from '../../state/rows.ts';
import { studio } from '../../state/store.ts';
import type { LayersTab } from '../../state/ui-slice.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Segmented } from '../components/Segmented.tsx';
import { Calibration } from './Calibration.tsx';
import { ErrorLens } from './ErrorLens.tsx';
import styles from './layers.module.css';
import { Sensitivity } from './Sensitivity.tsx';

const TABS: readonly { readonly value: LayersTab; readonly label: string }[] = [
  { value: 'error', label: 'Error' },
  { value: 'sensitivity', label: 'Sensitivity' },
  { value: 'calibration', label: 'Calibration' },
];

/** The selected variant layer by layer. */
export default function LayersView() {
  const { rows } = useStudio(selectComparison);
  const selectedId = useStudio((state) => state.selectedId);
  const tab = useStudio((state) => state.layersTab);
  const row = rows.find(({ id }) => id === selectedId) ?? rows[0];
  if (!row) return null;
  return (
    <section className={styles.view} aria-label={`Layers of ${row.name}`}>
      <div className={styles.bar}>
        <Segmented label="What of the layers" value={tab} options={TABS} onChange={studio.getState().setLayersTab} />
        <h2 className={styles.title}>
          {tab === 'sensitivity' ? 'Every layer of the model' : `${row.isBaseline ? '' : `${row.letter} `}${row.name}`}
        </h2>
      </div>
      {tab === 'error' && <ErrorLens key={row.id} row={row} />}
      {tab === 'sensitivity' && <Sensitivity row={row} />}
      {tab === 'calibration' && <Calibration key={row.id} row={row} />}
    </section>
  );
}
