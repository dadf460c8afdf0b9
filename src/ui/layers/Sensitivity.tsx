import { Download, Gauge, SlidersVertical } from 'lucide-react';
import { useId, useMemo, useState } from 'react';
import type { CandidateId, SensitiveLayer, SensitivityResult } from '../../core/precision/results.ts';
import { runSensitivity } from '../../state/actions/analysis.ts';
import { saveTable } from '../../state/actions/export.ts';
import { taskKey } from '../../state/analysis-slice.ts';
import { type LayerChoice, layerChoice, layerSetting, setLayerChoice } from '../../state/layer-choice.ts';
import type { VariantRow } from '../../state/rows.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { ChartFrame } from '../charts/ChartFrame.tsx';
import { ActionMenu } from '../components/ActionMenu.tsx';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { ErrorNote, Note } from '../components/Note.tsx';
import { type Column, SortableTable } from '../components/SortableTable.tsx';
import { formatCompact } from '../format.ts';
import { LayerLink } from './LayerLink.tsx';
import styles from './layers.module.css';
import { formatDb } from './lens-data.ts';
import { MixtureMaker } from './MixtureMaker.tsx';
import { OriginNote } from './OriginNote.tsx';
import { SensitivityChart } from './SensitivityChart.tsx';
import {
  CANDIDATE_MARKS,
  CANDIDATE_TITLES,
  formatLoss,
  lossUnit,
  measuredCandidates,
  pointOf,
  rankedLayers,
  sensitivityCsv,
  sensitivitySummary,
} from './sensitivity-data.ts';

const SHOWN_IN_CHART = 20;

/** What each layer alone loses in fewer bits; and what to make of it. */
export function Sensitivity({ row }: { readonly row: VariantRow }) {
  const entry = useStudio((state) => state.sensitivity);
  const task = useStudio((state) => state.history?.present.study.task);
  const error = useStudio((state) => state.sensitivityError);
  const busy = useStudio((state) => state.job !== null || state.opening !== null);
  const stale = entry !== null && task !== undefined && entry.key !== taskKey(task);
  const result = entry?.result;
  const partial = result && !stale && result.layers.length < result.layersInAll;
  return (
    <div className={styles.panel}>
      <div className={styles.bar}>
        <Button
          look={result && !stale && !partial ? 'plain' : 'primary'}
          disabled={busy}
          onClick={() => void runSensitivity()}
        >
          <Gauge size={15} aria-hidden /> {partial ? 'Go on' : result ? 'Measure again' : 'Measure each layer'}
        </Button>
        {result && (
          <Button onClick={() => void saveTable(sensitivityCsv(result), 'sensitivity of layers')}>
            <Download size={15} aria-hidden /> CSV
          </Button>
        )}
      </div>
      {error && <ErrorNote error={error} />}
      {stale && (
        <Note level="warning">The task has changed since: these figures rest on the inputs of the one before.</Note>
      )}
      {partial && (
        <Note level="info">
          {result.layers.length} of {result.layersInAll} layers are measured. They are kept: go on whenever you like.
        </Note>
      )}
      {result && result.layers.length > 0 ? (
        <SensitivityFigures result={result} row={row} stale={stale} />
      ) : (
        <p className={styles.about}>
          Stores one layer at a time in fewer bits, all others as they are, and measures how far the outputs move.
          Layers that lose much deserve more bits; from the figures a mixture of bits is made that loses least for its
          size.
        </p>
      )}
    </div>
  );
}

interface FiguresProps {
  readonly result: SensitivityResult;
  readonly row: VariantRow;
  readonly stale: boolean;
}

function SensitivityFigures({ result, row, stale }: FiguresProps) {
  const candidates = measuredCandidates(result);
  const [wanted, setRanking] = useState<CandidateId>('4');
  const ranking = candidates.includes(wanted) ? wanted : candidates[0]!;
  const ranked = useMemo(() => rankedLayers(result, ranking), [result, ranking]);
  const columns = useMemo(() => columnsFor(result, row), [result, row]);
  const id = useId();
  return (
    <div className={stale ? `${styles.panel} ${styles.stale}` : styles.panel}>
      <ChartFrame
        title="Loss when only this layer is stored so"
        unit={lossUnit(result)}
        summary={`${sensitivitySummary(result, ranking)}${ranked.length > SHOWN_IN_CHART ? ` The chart shows the first ${SHOWN_IN_CHART} of ${ranked.length} layers.` : ''}`}
        control={
          <label className={styles.inline} htmlFor={id}>
            <span className={controls.label}>Ranked by</span>
            <select
              id={id}
              className={controls.select}
              value={ranking}
              onChange={(event) => setRanking(event.target.value as CandidateId)}
            >
              {candidates.map((candidate) => (
                <option key={candidate} value={candidate}>
                  {CANDIDATE_TITLES[candidate]}
                </option>
              ))}
            </select>
          </label>
        }
        flow
      >
        <SensitivityChart layers={ranked.slice(0, SHOWN_IN_CHART)} candidates={candidates} ranking={ranking} />
        <p className={controls.hint} data-chart-text>
          {marksText(candidates)}
        </p>
      </ChartFrame>
      <OriginNote origin={result.origin} samples={result.samples} />
      <MixtureMaker result={result} />
      <SortableTable
        key={ranking}
        caption={`Loss (${lossUnit(result)}) and SQNR of the layer’s own output, by what only this layer is stored in. The second column sets it in ${row.isBaseline ? 'a variant' : `${row.letter} ${row.name}`}.`}
        columns={columns}
        rows={result.layers}
        rowKey={({ name }) => name}
        start={{ key: ranking, direction: 'descending' }}
      />
    </div>
  );
}

/** "A number in a mark is its bits; W8: INT8 weights." */
function marksText(candidates: readonly CandidateId[]): string {
  const named = candidates.filter((candidate) => CANDIDATE_MARKS[candidate] !== candidate);
  return [
    'A number in a mark is its bits',
    ...named.map((candidate) => `${CANDIDATE_MARKS[candidate]}: ${CANDIDATE_TITLES[candidate]}`),
  ].join('; ');
}

function columnsFor(result: SensitivityResult, row: VariantRow): Column<SensitiveLayer>[] {
  return [
    { key: 'name', title: 'Layer', value: ({ name }) => name, draw: (layer) => <LayerLink {...layer} /> },
    {
      key: 'set',
      title: row.isBaseline ? 'Set' : `In ${row.letter}`,
      draw: ({ name }) => <LayerMenu layer={name} row={row} />,
    },
    { key: 'op', title: 'Operator', value: ({ opType }) => opType, draw: ({ opType }) => opType },
    {
      key: 'parameters',
      title: 'Weights',
      value: ({ parameters }) => parameters,
      draw: ({ parameters }) => formatCompact(parameters),
      isNumber: true,
    },
    ...measuredCandidates(result).map(
      (candidate): Column<SensitiveLayer> => ({
        key: candidate,
        title: CANDIDATE_TITLES[candidate],
        value: (layer) => pointOf(layer, candidate)?.loss ?? -1,
        draw: (layer) => {
          const point = pointOf(layer, candidate);
          if (!point) return '–';
          return (
            <>
              {formatLoss(point.loss)} <span className={styles.sub}>{formatDb(point.localSqnrDb)}</span>
            </>
          );
        },
        isNumber: true,
      }),
    ),
  ];
}

const CHOICE_TITLES: Readonly<Record<LayerChoice, string>> = {
  keep: 'Keep in floating point',
  '8': '8 bits',
  '4': '4 bits',
  '3': '3 bits',
  '2': '2 bits',
};

function LayerMenu({ layer, row }: { readonly layer: string; readonly row: VariantRow }) {
  const setting = layerSetting(row.recipe);
  if (row.isBaseline || !setting)
    return (
      <span className={styles.sub} title="Select a variant whose recipe stores weights in fewer bits">
        –
      </span>
    );
  const now = layerChoice(row.recipe, layer);
  const edit = (choice: LayerChoice | undefined) =>
    studio.getState().editRecipe(row.id, (recipe) => setLayerChoice(recipe, layer, choice));
  return (
    <ActionMenu
      heading={`${layer} in ${row.letter} ${row.name}`}
      trigger={
        <Button look="quiet">
          <SlidersVertical size={13} aria-hidden />
          {now ? (now === 'keep' ? 'kept' : `${now} bits`) : 'as all'}
          <span className="visually-hidden"> for {layer}</span>
        </Button>
      }
      actions={[
        { key: 'all', label: `As all others${now === undefined ? ' (chosen)' : ''}`, run: () => edit(undefined) },
        ...setting.choices.map((choice) => ({
          key: choice,
          label: `${CHOICE_TITLES[choice]}${now === choice ? ' (chosen)' : ''}`,
          run: () => edit(choice),
        })),
      ]}
    />
  );
}
