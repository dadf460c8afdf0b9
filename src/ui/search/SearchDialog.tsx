import { Plus, Search, Square } from 'lucide-react';
import { useEffect, useId, useMemo, useState } from 'react';
import type { Objective } from '../../core/search/results.ts';
import { targetLabel } from '../../core/study/run.ts';
import { type Gate, MAX_VARIANTS } from '../../core/study/schema.ts';
import { cancelJob } from '../../state/actions/jobs.ts';
import { findBest } from '../../state/actions/search.ts';
import { addVariant } from '../../state/actions/variants.ts';
import type { SearchEntry } from '../../state/analysis-slice.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { ChartFrame } from '../charts/ChartFrame.tsx';
import { gateLimit } from '../charts/chart-data.ts';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { Modal } from '../components/Modal.tsx';
import { ErrorNote, Note } from '../components/Note.tsx';
import { Segmented } from '../components/Segmented.tsx';
import { type Column, SortableTable } from '../components/SortableTable.tsx';
import { formatBytes, formatElapsed, formatInterval, formatMetric, formatMs, plural } from '../format.ts';
import { gateText } from '../header/GateEditor.tsx';
import { Field } from '../recipe/Field.tsx';
import { progressCount, progressShare } from '../status/StatusBar.tsx';
import { SearchChart } from './SearchChart.tsx';
import styles from './search.module.css';
import { type SearchRow, STATUS_WORDS, searchDots, searchRows, searchSummary } from './search-data.ts';

const DEFAULT_BUDGET = 24;

/** Find the best: what is wanted, what is tried as it comes, what is recommended. Closing it leaves the search running. */
export default function SearchDialog() {
  const open = useStudio((state) => state.panel === 'search' && state.model !== null);
  return (
    <Modal open={open} onClose={() => studio.getState().openPanel(null)} title="Find the best recipe" wide>
      <SearchBody />
    </Modal>
  );
}

function SearchBody() {
  const search = useStudio((state) => state.search);
  const error = useStudio((state) => state.searchError);
  const running = useStudio((state) => state.job?.kind === 'search');
  return (
    <div className={styles.body}>
      {running ? <SearchProgress /> : <SearchForm search={search} />}
      {error && <ErrorNote error={error} />}
      {search && <SearchOutcome search={search} running={running} />}
    </div>
  );
}

function SearchForm({ search }: { readonly search: SearchEntry | null }) {
  const studyGate = useStudio((state) => state.history?.present.study.gate);
  const target = useStudio((state) => state.history?.present.study.targets[0]);
  const metric = useStudio((state) => state.report?.task.metrics[0]);
  const busy = useStudio((state) => state.job !== null || state.opening !== null);
  const [objective, setObjective] = useState<Objective>(search?.setup.objective ?? 'size');
  const [budget, setBudget] = useState(search?.setup.budget ?? DEFAULT_BUDGET);
  const [own, setOwn] = useState<Gate | null>(search?.setup.gate ?? null);
  if (!studyGate || !target) return null;
  const gate = own ?? studyGate;
  const unfinished = search !== null && search.result === null;
  const start = (fresh: boolean) => void findBest({ gate, objective, budget, fresh });
  const isPercent = gate.mode === 'relative' || metric?.format === 'percent';
  return (
    <>
      <p className={controls.hint}>
        Tries ready recipes and bits chosen for each layer; each is really built and judged by the task’s metric on{' '}
        {targetLabel(target)}. What was measured once is kept, so a search can be stopped and gone on with.
      </p>
      <div className={styles.form}>
        <div className={controls.field}>
          <span className={controls.label}>Wanted</span>
          <Segmented
            label="Wanted"
            value={objective}
            options={[
              { value: 'size', label: 'Smallest file' },
              { value: 'latency', label: 'Fastest' },
            ]}
            onChange={setObjective}
          />
        </div>
        <Field
          field={{
            kind: 'number',
            key: 'maxWorse',
            title: 'At most this much worse',
            description: 'What the metric may lose against the original.',
            unit: gate.mode === 'relative' ? '%' : isPercent ? 'points' : metric?.format === 'decibel' ? 'dB' : '',
            default: 2,
            min: 0,
            max: isPercent ? 100_000 : 1000,
            integer: false,
          }}
          value={Number((isPercent ? gate.maxWorse * 100 : gate.maxWorse).toPrecision(9))}
          onChange={(value) => setOwn({ ...gate, maxWorse: isPercent ? Number(value) / 100 : Number(value) })}
        />
        <Field
          field={{
            kind: 'number',
            key: 'budget',
            title: 'Budget',
            description: 'How many recipes may be evaluated.',
            unit: 'recipes',
            default: DEFAULT_BUDGET,
            min: 1,
            max: 500,
            integer: true,
          }}
          value={budget}
          onChange={(value) => setBudget(Number(value))}
        />
        <Button look="primary" disabled={busy} onClick={() => start(false)}>
          <Search size={15} aria-hidden /> {unfinished ? 'Go on' : search ? 'Search again' : 'Search'}
        </Button>
        {search && (
          <Button disabled={busy} onClick={() => start(true)}>
            Start over
          </Button>
        )}
      </div>
      {busy && <p className={controls.hint}>Something else runs: wait for it, or cancel it in the status line.</p>}
    </>
  );
}

function SearchProgress() {
  const job = useStudio((state) => state.job);
  const update = useStudio((state) => state.search?.update);
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 500);
    return () => clearInterval(timer);
  }, []);
  if (!job) return null;
  const share = progressShare(job.progress);
  const stage = job.progress?.stage ?? 'Starting';
  return (
    <div className={styles.progress}>
      <div className={styles.stage}>
        <strong>
          {update ? `${update.evaluations} of ${update.budget} recipes evaluated` : 'Judging the original'}
        </strong>{' '}
        <span className={controls.hint}>
          {stage} {job.progress && progressCount(job.progress)}, {formatElapsed(Math.max(0, now - job.startedAt))}
        </span>
        <progress className={styles.track} aria-label="Search" max={1} {...(share === null ? {} : { value: share })} />
      </div>
      <Button onClick={cancelJob}>
        <Square size={13} aria-hidden /> Stop
      </Button>
    </div>
  );
}

function SearchOutcome({ search, running }: { readonly search: SearchEntry; readonly running: boolean }) {
  const { setup, update, result } = search;
  const report = result?.report ?? update?.report;
  const points = result?.points ?? update?.points;
  const rows = useMemo(() => (report && points ? searchRows(report, points, result) : []), [report, points, result]);
  const full = useStudio((state) => (state.history?.present.ids.length ?? 0) >= MAX_VARIANTS);
  const definition = report?.task.metrics[0];
  const columns = useMemo(() => columnsFor(definition, full), [definition, full]);
  if (!report) return null;
  const original = rows[0]?.value ?? undefined;
  const limit = definition && original !== undefined ? gateLimit(original, setup.gate, definition) : null;
  const dots = definition ? searchDots(rows, setup.objective, definition) : [];
  const costText = (row: SearchRow) =>
    setup.objective === 'size' ? formatBytes(row.bytes ?? 0) : formatMs(row.medianMs ?? 0);
  return (
    <>
      {result && <Recommendation rows={rows} reason={result.reason} full={full} />}
      {!result && !running && (
        <Note level="info">Stopped before its end. What was measured is kept: “Go on” takes it up again.</Note>
      )}
      {definition && (
        <ChartFrame
          title={`${setup.objective === 'size' ? 'File size' : 'Median latency'} against ${definition.title}`}
          unit={`gate: ${gateText(setup.gate, definition.format)}; up and left is better`}
          summary={searchSummary(rows, setup.objective, costText)}
          empty={dots.length === 0 ? 'The first points come with the first evaluations.' : null}
          flow
        >
          <SearchChart
            dots={dots}
            objective={setup.objective}
            definition={definition}
            original={original}
            limit={limit}
          />
          <p className={controls.hint} data-chart-text>
            Disc: passes. Cross: fails. Ring: not decided. Square: the original. Line: nothing tried beats it on both.
          </p>
        </ChartFrame>
      )}
      {rows.length > 0 && (
        <SortableTable
          key={result ? 'ended' : 'running'}
          caption={`Recipes tried${full ? `. There are ${MAX_VARIANTS} variants already: delete one to add another` : ''}.`}
          columns={columns}
          rows={rows}
          rowKey={({ point }) => point.id}
          selectedKey={rows.find(({ role }) => role === 'recommended')?.point.id ?? null}
          start={result ? { key: 'bytes', direction: 'ascending' } : { key: 'index', direction: 'descending' }}
        />
      )}
    </>
  );
}

interface RecommendationProps {
  readonly rows: readonly SearchRow[];
  readonly reason: string;
  readonly full: boolean;
}

function Recommendation({ rows, reason, full }: RecommendationProps) {
  const id = useId();
  const best = rows.find(({ role }) => role === 'recommended');
  const others = rows.filter(({ role }) => role === 'runner-up');
  return (
    <section className={styles.recommended} aria-labelledby={id}>
      <h3 id={id}>{best ? `Recommended: ${best.name}` : 'Nothing within the gate beats the original'}</h3>
      <p>{reason}</p>
      <div className={styles.adds}>
        {best && <AddButton row={best} full={full} primary />}
        {others.map((row) => (
          <AddButton key={row.point.id} row={row} full={full} />
        ))}
      </div>
      {full && (
        <p className={controls.hint}>
          There are {plural(MAX_VARIANTS, 'variant')} already, which is the most. Delete one to make room.
        </p>
      )}
    </section>
  );
}

interface AddButtonProps {
  readonly row: SearchRow;
  readonly full: boolean;
  readonly primary?: boolean;
}

function AddButton({ row, full, primary = false }: AddButtonProps) {
  const added = useStudio(
    (state) => state.history?.present.study.variants.some(({ name }) => name === row.name) ?? false,
  );
  return (
    <Button look={primary ? 'primary' : 'plain'} disabled={full || added} onClick={() => void addVariant(row.recipe)}>
      <Plus size={14} aria-hidden /> {added ? `${row.name} is added` : `Add ${row.name}`}
    </Button>
  );
}

function columnsFor(definition: SearchEntryMetric, full: boolean): Column<SearchRow>[] {
  return [
    { key: 'name', title: 'Recipe', value: ({ name }) => name, draw: ({ name }) => <span title={name}>{name}</span> },
    {
      key: 'add',
      title: 'Add',
      draw: (row) =>
        row.index === 0 ? null : (
          <Button look="quiet" disabled={full} onClick={() => void addVariant(row.recipe)}>
            <Plus size={13} aria-hidden /> Add<span className="visually-hidden"> {row.name} as variant</span>
          </Button>
        ),
    },
    {
      key: 'status',
      title: 'Verdict',
      value: ({ point }) => point.status,
      draw: ({ point, role }) => `${STATUS_WORDS[point.status]}${role ? `, ${role}` : ''}`,
    },
    {
      key: 'bytes',
      title: 'File',
      value: ({ bytes }) => bytes ?? Number.POSITIVE_INFINITY,
      draw: ({ bytes }) => (bytes === null ? '–' : formatBytes(bytes)),
      isNumber: true,
      first: 'ascending',
    },
    {
      key: 'latency',
      title: 'Latency',
      value: ({ medianMs }) => medianMs ?? Number.POSITIVE_INFINITY,
      draw: ({ medianMs }) => (medianMs === null ? '–' : formatMs(medianMs)),
      isNumber: true,
      first: 'ascending',
    },
    {
      key: 'value',
      title: definition?.short ?? 'Metric',
      value: ({ value }) => value ?? Number.NEGATIVE_INFINITY,
      draw: ({ value, interval }) =>
        value === null || !definition
          ? '–'
          : `${formatMetric(value, definition)}${interval ? ` (${formatInterval(interval, definition)})` : ''}`,
      isNumber: true,
    },
    {
      key: 'samples',
      title: 'Samples',
      value: ({ point }) => point.samples,
      draw: ({ point }) => (point.samples > 0 ? point.samples : '–'),
      isNumber: true,
    },
    { key: 'index', title: 'Order', value: ({ index }) => index, draw: ({ index }) => index, isNumber: true },
    { key: 'reason', title: 'Why', draw: ({ point }) => <span className={styles.reason}>{point.reason}</span> },
  ];
}

type SearchEntryMetric = NonNullable<SearchEntry['update']>['report']['task']['metrics'][number] | undefined;
