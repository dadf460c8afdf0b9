/** A reload restores everything: the model's bytes from OPFS, the study and its results from IndexedDB. */
import { toErrorRecord } from '../../core/base/errors/index.ts';
import { parseStudy } from '../../core/study/link.ts';
import type { Report } from '../../core/study/results.ts';
import { restoreUserArrays } from '../../services/arrays.ts';
import { type OpenModel, openModel } from '../../services/engine.ts';
import { clearLink, readLink } from '../../services/links.ts';
import {
  deleteRecord,
  keepOnlyModel,
  loadModelFiles,
  loadRecord,
  saveModelFiles,
  saveRecord,
  storageNotice,
} from '../../services/storage.ts';
import { arraySignature } from '../card-facts.ts';
import type { MeasuredVariant } from '../measured.ts';
import type { LoadedModel } from '../model-slice.ts';
import { notify } from '../notices.ts';
import { type StudioState, studio } from '../store.ts';
import { beginJob, isCurrent } from './jobs.ts';
import { openStudy } from './open.ts';
import { followProfiles } from './profile.ts';
import { reportProblem } from './variants.ts';

const SESSION_RECORD = 'session';
const SESSION_VERSION = 1;
const SAVE_DELAY_MS = 400;

interface SessionRecord {
  readonly version: typeof SESSION_VERSION;
  readonly model: LoadedModel;
  readonly study: unknown;
  readonly ids: readonly string[];
  readonly selectedId: string | null;
  readonly report: Report | null;
  readonly measured: Readonly<Record<string, MeasuredVariant>>;
  readonly lastMeasuredKey: Readonly<Record<string, string>>;
  /** Absent in records of earlier versions. */
  readonly lenses?: StudioState['lenses'];
  readonly sensitivity?: StudioState['sensitivity'];
  readonly profiles?: StudioState['profiles'];
}

/** Copies the model where a reload finds it. The work goes on meanwhile; a failure is told at once. */
export function storeModel({ identity, files }: OpenModel): void {
  void (async () => {
    try {
      await saveModelFiles(identity.key, files, () => {});
      await keepOnlyModel(identity.key);
    } catch (error) {
      const { message, advice } = toErrorRecord(error);
      studio.setState({ storageNotice: `${message} The model is not kept over a reload.` });
      notify({ level: 'error', text: message, advice });
    }
  })();
}

/** What the page starts with: a link wins over the last session; else that is restored. */
export async function startSession(): Promise<void> {
  // A link that is pasted over the address of the open page changes only the hash.
  addEventListener('hashchange', () => void openLink());
  if (await openLink()) return;
  await restoreSession();
  const reason = storageNotice();
  if (reason)
    studio.setState({ storageNotice: `Local storage is not available (${reason}). Nothing survives a reload.` });
}

/** @returns true when the address carried a study */
async function openLink(): Promise<boolean> {
  const link = readLink();
  if (!link) return false;
  clearLink();
  if (link.ok) await openStudy(link.value).catch(reportProblem);
  else reportProblem(link.error);
  return link.ok;
}

async function restoreSession(): Promise<void> {
  const record = await loadRecord<SessionRecord>(SESSION_RECORD);
  if (record?.version !== SESSION_VERSION) return;
  const study = parseStudy(record.study);
  if (!study.ok) return;
  const { model } = record;
  const job = beginJob((progress) =>
    studio.setState(({ opening }) => (opening ? { opening: { ...opening, progress } } : {})),
  );
  studio.setState({ opening: { name: model.title, progress: null, startedAt: performance.now() } });
  try {
    const files = await loadModelFiles(model.key, model.name);
    if (!files) return;
    const { card } = await openModel(files, job);
    if (study.value.task.kind === 'files') await restoreUserArrays(arraySignature(card));
    const { measured, lastMeasuredKey, report, selectedId, ids, lenses = {}, sensitivity = null } = record;
    // Of an earlier build they may be of another form; they are quickly made anew.
    const profiles = Object.fromEntries(
      Object.entries(record.profiles ?? {}).filter(([, { keys }]) => Array.isArray(keys)),
    );
    studio.getState().setStudy(study.value, ids);
    studio.setState({ model: { ...model, card }, report, measured, lastMeasuredKey, lenses, sensitivity, profiles });
    if (selectedId) studio.getState().selectVariant(selectedId);
  } catch (error) {
    reportProblem(error);
  } finally {
    if (isCurrent(job)) studio.setState({ opening: null });
  }
}

/** Writes the session down a moment after each change. */
export function keepSession(): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const save = () => {
    timer = undefined;
    const { model, history, selectedId, report, measured, lastMeasuredKey, lenses, sensitivity, profiles } =
      studio.getState();
    if (!model || !history) return;
    const { study, ids } = history.present;
    const record: SessionRecord = {
      version: SESSION_VERSION,
      model,
      study,
      ids,
      selectedId,
      report,
      measured,
      lastMeasuredKey,
      lenses,
      sensitivity,
      profiles: keepable(profiles),
    };
    void saveRecord(SESSION_RECORD, record);
  };
  const flush = () => {
    if (timer === undefined) return;
    clearTimeout(timer);
    save();
  };
  const unsubscribe = studio.subscribe((state, before) => {
    const changed =
      state.history !== before.history ||
      state.measured !== before.measured ||
      state.lenses !== before.lenses ||
      state.sensitivity !== before.sensitivity ||
      state.profiles !== before.profiles ||
      state.selectedId !== before.selectedId ||
      state.model !== before.model;
    if (changed && timer === undefined) timer = setTimeout(save, SAVE_DELAY_MS);
  });
  // The last edit before the tab goes must not be lost.
  addEventListener('pagehide', flush);
  const unfollow = followProfiles();
  return () => {
    unfollow();
    removeEventListener('pagehide', flush);
    unsubscribe();
  };
}

/** Beyond this many figures a profile is quicker measured anew than written down after each change. */
const MOST_PROFILE_SAMPLES = 200_000;

function keepable(profiles: StudioState['profiles']): StudioState['profiles'] {
  const samples = ({ value }: StudioState['profiles'][string]['run']['outcomes'][number]) =>
    (value?.profile.nodes.length ?? 0) * (value?.profile.runs ?? 0);
  const fits = ({ outcomes }: StudioState['profiles'][string]['run']) =>
    outcomes.reduce((sum, outcome) => sum + samples(outcome), 0) <= MOST_PROFILE_SAMPLES;
  return Object.fromEntries(Object.entries(profiles).filter(([, { run }]) => fits(run)));
}

/** The user has put the model away: a reload shows the gallery. */
export async function forgetSession(): Promise<void> {
  await deleteRecord(SESSION_RECORD);
}
