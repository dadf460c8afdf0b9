/** Files out. */
import type { JobContext } from '../../core/base/progress.ts';
import { type ReportFormat, renderReport, reportMediaTypes } from '../../core/report/render.ts';
import { openedModel, variantFiles } from '../../services/engine.ts';
import {
  chartFileName,
  csvFileName,
  jsonFileName,
  reportFileName,
  saveBlob,
  saveJson,
  variantFileName,
} from '../../services/export.ts';
import { linkTo } from '../../services/links.ts';
import { notify } from '../notices.ts';
import { currentReport } from '../report.ts';
import { studio } from '../store.ts';
import { prepareCurrentTask } from './current-task.ts';
import { reportProblem } from './variants.ts';

function variantById(id: string) {
  const { history, model } = studio.getState();
  const index = history?.present.ids.indexOf(id) ?? -1;
  const recipe = history?.present.study.variants[index];
  return recipe && model && history ? { recipe, model, task: history.present.study.task } : null;
}

/** Builds the variant if need be and saves it as one file, or as two where protobuf ends (2 GiB). */
export async function downloadVariant(id: string): Promise<void> {
  const variant = variantById(id);
  const opened = openedModel();
  if (!variant || !opened) return;
  const fileName = variantFileName(variant.model.name, variant.recipe);
  const controller = new AbortController();
  const quiet = { signal: controller.signal, onProgress: () => {}, yield: () => Promise.resolve() };
  const { recipe, model, task } = variant;
  const prepare = (job: JobContext) => prepareCurrentTask(task, model.card, job);
  const files = variantFiles(opened, recipe, fileName, prepare, quiet);
  try {
    // The dialog must open in the click itself; the bytes may come later.
    await saveBlob(
      files.then(({ graph }) => graph),
      fileName,
    );
    for (const { path, data } of (await files).externalData) await saveBlob(data, path);
  } catch (error) {
    reportProblem(error);
  }
}

export async function downloadRecipe(id: string): Promise<void> {
  const variant = variantById(id);
  if (!variant) return;
  const { model, recipe } = variant;
  await saveJson(
    recipe,
    jsonFileName(model.name, `${recipe.name.replace(/[^\w-]+/g, '-').toLowerCase()}.recipe`),
  ).catch(reportProblem);
}

export async function downloadReport(format: ReportFormat = 'json'): Promise<void> {
  const state = studio.getState();
  const report = currentReport(state);
  if (!report || !state.model) {
    notify({ level: 'info', text: 'There is no report yet.', advice: 'Run once, then download it.' });
    return;
  }
  try {
    const link = state.history ? linkTo(state.history.present.study) : undefined;
    const text = renderReport(report, format, { link });
    await saveBlob(new Blob([text], { type: reportMediaTypes[format] }), reportFileName(state.model.name, format));
  } catch (error) {
    reportProblem(error);
  }
}

/** A table as a .csv file beside the model's name. */
export async function saveTable(csv: string, what: string): Promise<void> {
  const { model } = studio.getState();
  if (model) await saveBlob(new Blob([csv], { type: 'text/csv' }), csvFileName(model.name, what)).catch(reportProblem);
}

/** A chart as a file beside the model's name: model-memory.svg. */
export async function saveChart(picture: Promise<Blob>, title: string, ending: 'svg' | 'png'): Promise<void> {
  const { model } = studio.getState();
  await saveBlob(picture, chartFileName(model?.name ?? '', title, ending)).catch(reportProblem);
}
