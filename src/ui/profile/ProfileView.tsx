import { Download, Timer } from 'lucide-react';
import { useMemo } from 'react';
import type { ProfileLevel } from '../../core/study/profile-run.ts';
import { targetLabel } from '../../core/study/run.ts';
import type { Target, TaskRef } from '../../core/study/schema.ts';
import { saveTable } from '../../state/actions/export.ts';
import { runProfile } from '../../state/actions/profile.ts';
import { targetKey } from '../../state/measured.ts';
import { isFreshProfile, type ProfileEntry, type ProfileTab, profileSlot } from '../../state/profile-slice.ts';
import { selectComparison, type VariantRow } from '../../state/rows.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { ChartFrame } from '../charts/ChartFrame.tsx';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { ErrorNote, Note } from '../components/Note.tsx';
import { Segmented } from '../components/Segmented.tsx';
import { opClasses, opClassOf } from './op-classes.ts';
import { ProfileTables } from './ProfileTables.tsx';
import styles from './profile.module.css';
import {
  conditionText,
  costText,
  type NamedProfile,
  profileCsv,
  selectedNames,
  timeSummary,
  warningsOf,
} from './profile-data.ts';
import { Roofline } from './Roofline.tsx';
import { Treemap } from './Treemap.tsx';

const TABS: readonly { readonly value: ProfileTab; readonly label: string }[] = [
  { value: 'time', label: 'Time' },
  { value: 'roofline', label: 'Roofline' },
];

const LEVELS: readonly { readonly value: ProfileLevel; readonly label: string }[] = [
  { value: 'deployed', label: 'As deployed' },
  { value: 'disabled', label: 'As in the file' },
];

/** Where the selected variant's time goes, node by node, beside the original. */
export default function ProfileView() {
  const { rows } = useStudio(selectComparison);
  const selectedId = useStudio((state) => state.selectedId);
  const task = useStudio((state) => state.history?.present.study.task);
  const target = useChosenTarget();
  const [original] = rows;
  const row = rows.find(({ id }) => id === selectedId) ?? original;
  if (!row || !original || !target || !task) return null;
  const pair = row.isBaseline ? [original] : [original, row];
  return <PairProfile key={row.id} pair={pair} target={target} task={task} />;
}

interface PairProps {
  /** The original alone, or with the variant. */
  readonly pair: readonly VariantRow[];
  readonly target: Target;
  readonly task: TaskRef;
}

function PairProfile({ pair, target, task }: PairProps) {
  const tab = useStudio((state) => state.profileTab);
  const level = useStudio((state) => state.profileLevel);
  const row = pair.at(-1)!;
  const entry = useStudio((state) => state.profiles[profileSlot(row.id, target, level)]);
  const profiles = useNamedProfiles(entry?.run.outcomes, pair);
  const recipes = pair.map(({ recipe }) => recipe);
  const stale = entry !== undefined && !isFreshProfile(entry, recipes, task);
  return (
    <section className={styles.view} aria-label={`Profile of ${row.name}`}>
      <Toolbar pair={pair} target={target} entry={entry} stale={stale} profiles={profiles} />
      <p className={styles.about}>{LEVEL_ABOUT[level]}</p>
      <Errors entry={entry} />
      {stale && (
        <Note level="warning">The recipe or the task has changed since: these figures are of the settings before.</Note>
      )}
      <div className={stale ? `${styles.panel} ${styles.stale}` : styles.panel}>
        {entry && profiles.length > 0 && <Conditions profiles={profiles} target={target} at={entry.run.measuredAt} />}
        {tab === 'time' ? <Time profiles={profiles} /> : <Roofline profiles={profiles} target={target} />}
      </div>
    </section>
  );
}

interface ToolbarProps extends Omit<PairProps, 'task'> {
  readonly entry: ProfileEntry | undefined;
  readonly stale: boolean;
  readonly profiles: readonly NamedProfile[];
}

function Toolbar({ pair, target, entry, stale, profiles }: ToolbarProps) {
  const tab = useStudio((state) => state.profileTab);
  const level = useStudio((state) => state.profileLevel);
  const busy = useStudio((state) => state.job !== null || state.opening !== null);
  const { setProfileTab, setProfileLevel } = studio.getState();
  const row = pair.at(-1)!;
  return (
    <div className={styles.bar}>
      <Segmented label="What of the profile" value={tab} options={TABS} onChange={setProfileTab} />
      <TargetSelect target={target} />
      <Segmented label="Graph that is profiled" value={level} options={LEVELS} onChange={setProfileLevel} />
      <Button
        look={entry && !stale ? 'plain' : 'primary'}
        disabled={busy}
        onClick={() => void runProfile(row.id, target, level)}
      >
        <Timer size={15} aria-hidden /> {entry ? 'Profile again' : pair.length > 1 ? 'Profile both' : 'Profile it'}
      </Button>
      {profiles.length > 0 && (
        <Button onClick={() => void saveTable(profileCsv(profiles), `${row.name} profile`)}>
          <Download size={15} aria-hidden /> CSV
        </Button>
      )}
      <h2 className={styles.title}>{pair.map(({ name }) => name).join(' beside ')}</h2>
    </div>
  );
}

function Errors({ entry }: { readonly entry: ProfileEntry | undefined }) {
  const error = useStudio((state) => state.profileError);
  const failed = (entry?.run.outcomes ?? []).flatMap((outcome) => (outcome.error ? [outcome.error] : []));
  return (
    <>
      {error && <ErrorNote error={error} />}
      {failed.map((one) => (
        <ErrorNote key={one.message} error={one} />
      ))}
    </>
  );
}

const LEVEL_ABOUT: Readonly<Record<ProfileLevel, string>> = {
  deployed:
    'onnxruntime rewrites the graph while it loads it, so what it ran is not quite the file: what it made says what it was made from.',
  disabled:
    'With onnxruntime’s own optimization off, each node is one of the file’s. It shows the file as it is, not how fast it will run.',
};

function useNamedProfiles(outcomes: Outcomes | undefined, pair: readonly VariantRow[]): readonly NamedProfile[] {
  const titles = pair.map(({ name, letter }) => `${letter} ${name}`).join('\n');
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows change with every figure; their titles do not
  return useMemo(() => namedProfiles(outcomes ?? [], pair), [outcomes, titles]);
}

type Outcomes = ProfileEntry['run']['outcomes'];

function namedProfiles(outcomes: Outcomes, pair: readonly VariantRow[]): NamedProfile[] {
  return outcomes.flatMap(({ value }, index) => {
    const row = pair[index];
    return value && row ? [{ name: row.name, letter: row.letter, value }] : [];
  });
}

function Time({ profiles }: { readonly profiles: readonly NamedProfile[] }) {
  const selectedNode = useStudio((state) => state.selectedNode);
  const selected = useMemo(() => selectedNames(profiles, selectedNode), [profiles, selectedNode]);
  const { selectNode } = studio.getState();
  if (profiles.length === 0)
    return (
      <p className={styles.about}>
        Runs the original and the selected variant in turns while onnxruntime times every node: which operators and
        which nodes the time goes to, and what the recipe changed about that.
      </p>
    );
  const present = new Set(profiles.flatMap(({ value }) => value.profile.nodes.map((node) => opClassOf(node).id)));
  return (
    <>
      <ChartFrame
        title="Time by operator and node"
        unit="area is time, the same scale for both"
        summary={timeSummary(profiles)}
        legend={opClasses.filter(({ id }) => present.has(id)).map(({ label, colour }) => ({ label, colour }))}
        flow
      >
        <Treemap profiles={profiles} selected={selected} onSelect={selectNode} />
      </ChartFrame>
      <ProfileTables profiles={profiles} selected={selected} onSelect={selectNode} />
    </>
  );
}

interface ConditionsProps {
  readonly profiles: readonly NamedProfile[];
  readonly target: Target;
  /** ISO 8601. */
  readonly at: string;
}

function Conditions({ profiles, target, at }: ConditionsProps) {
  return (
    <div className={styles.conditions}>
      <p>
        {targetLabel(target)}, {conditionText(profiles[0]!)}. {new Date(at).toLocaleString('en-GB')}.
      </p>
      {profiles.map((profile) => (
        <p key={profile.letter}>
          <strong>{profile.name}</strong>: {costText(profile)}
        </p>
      ))}
      {warningsOf(profiles).map((text) => (
        <Note key={text} level="info">
          {text}
        </Note>
      ))}
    </div>
  );
}

/** The study's targets, and what else this browser has. */
function useTargets(): readonly Target[] {
  const targets = useStudio((state) => state.history?.present.study.targets);
  const capabilities = useStudio((state) => state.capabilities);
  const all: Target[] = [...(targets ?? [])];
  const add = (provider: 'wasm' | 'webgpu') => {
    if (!all.some((target) => target.provider === provider)) all.push({ provider, threads: 0 });
  };
  add('wasm');
  if (capabilities?.webgpu.available) add('webgpu');
  return all;
}

function useChosenTarget(): Target | undefined {
  const targets = useTargets();
  const chosen = useStudio((state) => state.profileTarget);
  return targets.find((target) => chosen && targetKey(target) === targetKey(chosen)) ?? targets[0];
}

function TargetSelect({ target }: { readonly target: Target }) {
  const targets = useTargets();
  return (
    <label>
      On
      <select
        className={controls.select}
        aria-label="Target that is profiled"
        value={targetKey(target)}
        onChange={(event) => {
          const next = targets.find((one) => targetKey(one) === event.target.value);
          if (next) studio.getState().setProfileTarget(next);
        }}
      >
        {targets.map((one) => (
          <option key={targetKey(one)} value={targetKey(one)}>
            {targetLabel(one)}
          </option>
        ))}
      </select>
    </label>
  );
}
