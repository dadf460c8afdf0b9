/** Opening a model, whatever way it comes, and the study that goes with it. */
import type { ModelCard } from '../../core/analysis/card.ts';
import { StudioError, toErrorRecord } from '../../core/base/errors/index.ts';
import type { JobContext } from '../../core/base/progress.ts';
import { isHubUrl } from '../../core/hub/address.ts';
import { canonicalRecipe } from '../../core/recipe/parse.ts';
import { findPreset } from '../../core/recipe/presets.ts';
import type { Recipe } from '../../core/recipe/schema.ts';
import type { Sample } from '../../core/study/samples.ts';
import { type ModelRef, type Study, studySchema, type TaskRef } from '../../core/study/schema.ts';
import type { SharedFigures } from '../../core/study/shared-figures.ts';
import { adoptUserArrays, KEPT_ARRAY_BYTES } from '../../services/arrays.ts';
import { type OpenModel, openModel } from '../../services/engine.ts';
import { fetchFile } from '../../services/fetch-file.ts';
import { type ModelFileSet, type PickedFile, sortFiles } from '../../services/files.ts';
import { clearLink } from '../../services/links.ts';
import { probeOf } from '../../services/model-identity.ts';
import { fetchSampleModel } from '../../services/samples.ts';
import { suggestRandomTask } from '../../services/task-suggestions.ts';
import { arraySignature, carriedRecipe, tensorInputs } from '../card-facts.ts';
import type { LoadedModel } from '../model-slice.ts';
import { notify } from '../notices.ts';
import { studio } from '../store.ts';
import { beginJob, isCurrent } from './jobs.ts';
import { dropUntouched, freeName, leaveProject, retryLater, startProject, storeModel } from './keep.ts';
import { type LinkedStudy, matchOf, nameOf, pendingLinkFor } from './linked-study.ts';
import { openJson } from './open-json.ts';
import { resumeAwaited } from './projects.ts';
import { runAll } from './run.ts';
import { requireSamples } from './samples.ts';
import { raiseStorageTrouble } from './troubles.ts';
import { addVariant, reportProblem } from './variants.ts';

/** What a user's own model starts with. */
const STARTING_PRESETS = ['original', 'simplify', 'int8-dynamic', 'int4-rtn'] as const;

/** Dropped, browsed or pasted files: a model, a recipe, a report, or arrays for the model that is open. */
export async function openFiles(picked: readonly PickedFile[]): Promise<void> {
  try {
    const sorted = sortFiles(picked);
    if (sorted.kind === 'model') await openFileModel(sorted.files);
    else if (sorted.kind === 'project') await (await import('./project-files.ts')).importProject(sorted.file);
    else if (sorted.kind === 'json') await openJson(await sorted.file.text());
    else await openArrays(sorted.files);
  } catch (error) {
    reportProblem(error);
  }
}

async function openFileModel(files: ModelFileSet): Promise<void> {
  const bytes = totalBytes(files);
  await openFrom(
    files.graph.file.name,
    async (job) => ({ files, ...(await openModel(files, job)) }),
    ({ opened }) => {
      const { sha256, key } = opened.identity;
      const probe = probeOf(key);
      const identity = { ...(sha256 && { sha256 }), ...(probe && { probe }) };
      return { kind: 'file', name: files.graph.file.name, byteLength: bytes, ...identity };
    },
  );
}

/** A repository's address leads to its files; a link's own address is fetched as it says. */
export async function openUrl(url: string): Promise<void> {
  if (!studio.getState().pendingStudy && isHubUrl(url)) {
    studio.getState().openHub(url);
    return;
  }
  await openFrom(
    url.split('/').at(-1) || url,
    async (job) => {
      const file = await fetchFile(url, job.signal, job.onProgress);
      const files: ModelFileSet = { graph: { path: file.name, file }, others: [] };
      return { files, ...(await openModel(files, job)) };
    },
    () => ({ kind: 'url', url }),
  );
}

/** One click: the model, variants to compare, and a run. */
export async function openSample(sample: Sample, link?: LinkedStudy): Promise<void> {
  const opened = await openFrom(
    sample.title,
    async (job) => {
      const files = await fetchSampleModel(sample, job.signal, job.onProgress);
      return { files, ...(await openModel(files, job)) };
    },
    () => ({ kind: 'sample', id: sample.id }),
    { sample, ...(link ? { link } : {}) },
  );
  // Whoever opens a link wants to see what it shows; a sample is small enough to run unasked. The sender's figures are
  // looked at first: own ones are measured when asked for.
  if (opened && !link?.figures) await runAll();
}

/** A link: the model by its reference where that can be had, and the study as it was. */
export async function openStudy(study: Study, figures: SharedFigures | null = null): Promise<void> {
  const { model } = study;
  if (model.kind === 'sample') {
    const samples = await requireSamples();
    const sample = samples.find(({ id }) => id === model.id);
    if (!sample) throw new StudioError('link/unknown-sample', { id: model.id });
    await openSample(sample, { study, figures });
    return;
  }
  const { model: present, setStudy } = studio.getState();
  if (present && matchOf(model, present) === 'same') {
    setStudy({ ...study, model: present.ref });
    studio.setState({ sender: figures && { study, figures } });
    return;
  }
  // The start page says which model it waits for, and offers to fetch one that has an address.
  studio.setState({ pendingStudy: study, pendingFigures: figures });
  if (present)
    notify({
      level: 'info',
      text: `The link is for another model: ${nameOf(model)}.`,
      advice: 'Open that one, and the variants of the link come with it.',
      ...(model.kind === 'url' ? { action: { label: 'Fetch it', run: () => void openUrl(model.url) } } : {}),
    });
}

interface Read {
  readonly files: ModelFileSet;
  readonly opened: OpenModel;
  readonly card: ModelCard;
}

interface OpenOptions {
  readonly sample?: Sample;
  /** Takes the place of the study that a fresh model would get. */
  readonly link?: LinkedStudy;
  /** Instead of the file's name. */
  readonly title?: string;
}

/** @returns true when the model is open */
export async function openFrom(
  name: string,
  read: (job: JobContext & { readonly signal: AbortSignal }) => Promise<Read>,
  refOf: (read: Read) => ModelRef,
  options: OpenOptions = {},
): Promise<boolean> {
  const job = beginJob((progress) =>
    studio.setState(({ opening }) => (opening ? { opening: { ...opening, progress } } : {})),
  );
  studio.setState({ opening: { name, progress: null, startedAt: performance.now() }, openError: null });
  try {
    const result = await read(job);
    if (await resumeAwaited(result.opened, result.card)) return true;
    const ref = refOf(result);
    const { opened, card, files } = result;
    const model: LoadedModel = {
      ref,
      key: opened.identity.key,
      sha256: opened.identity.sha256,
      name: files.graph.file.name,
      title: options.sample?.title ?? options.title ?? files.graph.file.name,
      fileBytes: totalBytes(files),
      card,
      sampleId: options.sample?.id ?? null,
    };
    adoptModel(model, options);
    offerCarriedRecipe(model);
    void storeModel(opened);
    return true;
  } catch (error) {
    const record = toErrorRecord(error);
    if (isCurrent(job) && record.code !== 'job/cancelled') {
      // The start page keeps it in sight; over an open model it must not push the work aside.
      if (studio.getState().model) notify({ level: 'error', text: record.message, advice: record.advice });
      else studio.setState({ openError: record });
    }
    return false;
  } finally {
    if (isCurrent(job)) studio.setState({ opening: null });
  }
}

function adoptModel(model: LoadedModel, { sample, link }: OpenOptions): void {
  const { setStudy, forgetResults } = studio.getState();
  void leaveProject();
  const linked = link ?? pendingLinkFor(model);
  studio.setState({ model, pendingStudy: null, pendingFigures: null, panel: null });
  forgetResults();
  const begun = linked ? { ...linked.study, model: model.ref } : startingStudy(model, sample);
  setStudy(begun, undefined, freeName(model.title));
  studio.setState({ sender: linked?.figures ? { study: linked.study, figures: linked.figures } : null });
  // A new project, always: what was open before stays as it is.
  void startProject(linked !== null);
  if (sample && !linked) void dropUntouched(sample.id).catch(() => {});
  clearLink();
}

/** Dropping an exported variant back recovers its recipe; it is meant for the original, so it is only offered. */
function offerCarriedRecipe({ card }: LoadedModel): void {
  const recipe = carriedRecipe(card);
  if (!recipe) return;
  notify({
    level: 'info',
    text: `This file was made by Whittle with the recipe “${recipe.name}”.`,
    advice: 'Add it as a variant, or save it, to apply it to the original again.',
    action: { label: 'Add its recipe', run: () => void addVariant(recipe) },
  });
}

function startingStudy(model: LoadedModel, sample: Sample | undefined): Study {
  const ids = sample ? ['original', ...sample.presets.filter((id) => id !== 'original')] : [...STARTING_PRESETS];
  const task: TaskRef = sample
    ? { kind: 'sample-task', id: sample.task.id, limit: Math.min(sample.quickSamples, sample.evaluationSamples) }
    : suggestRandomTask(tensorInputs(model.card));
  return studySchema.parse({
    model: model.ref,
    variants: ids.flatMap(presetRecipe),
    task,
    ...(sample?.gate ? { gate: sample.gate } : {}),
  });
}

/** A preset with a step that this build lacks is left out rather than failing the model. */
function presetRecipe(id: string): Recipe[] {
  const preset = findPreset(id);
  const recipe = preset && canonicalRecipe(preset.recipe);
  return recipe?.ok ? [recipe.value] : [];
}

async function openArrays(files: readonly PickedFile[]): Promise<void> {
  const { model, setTask } = studio.getState();
  if (!model) {
    notify({ level: 'error', text: 'There is no model yet to feed these arrays to.', advice: 'Open a model first.' });
    return;
  }
  const { project } = studio.getState();
  const { ref, notKept } = await adoptUserArrays(files, arraySignature(model.card), project?.id ?? null);
  setTask(ref);
  const text = `The task is now your own data: ${ref.names.length === 1 ? ref.names[0] : `${ref.names.length} files`}.`;
  if (notKept === 'too-large')
    notify({
      level: 'info',
      text: `${text} They are not kept over a reload.`,
      advice: `Files up to ${KEPT_ARRAY_BYTES / 1e6} MB in all are kept; give them again after a reload.`,
    });
  else notify({ level: 'success', text });
  if (notKept instanceof StudioError) {
    raiseStorageTrouble('data', notKept, 'Your data are not kept over a reload.');
    retryLater();
  }
}

function totalBytes({ graph, others }: ModelFileSet): number {
  return [graph, ...others].reduce((sum, { file }) => sum + file.size, 0);
}
