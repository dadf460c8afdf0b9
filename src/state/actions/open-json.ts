/** JSON that is dropped or pasted: a recipe becomes a variant, a study replaces the study, a report is its variants. */
import { StudioError } from '../../core/base/errors/index.ts';
import { parseRecipe } from '../../core/recipe/parse.ts';
import { parseStudy } from '../../core/study/link.ts';
import { reportSchema } from '../../core/study/results.ts';
import { type Study, studySchema } from '../../core/study/schema.ts';
import { notify } from '../notices.ts';
import { studio } from '../store.ts';
import { openStudy } from './open.ts';
import { addVariant } from './variants.ts';

/** @throws StudioError recipe/* */
export async function openJson(text: string): Promise<void> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StudioError('recipe/invalid', { path: 'the text', reason: `it is not JSON (${reason})` });
  }
  const format = (json as { format?: unknown } | null)?.format;
  if (format === 'whittle-report') return adopt(studyOfReport(json));
  if (format === 'whittle-study') {
    const study = parseStudy(json);
    if (!study.ok) throw study.error;
    return adopt(study.value);
  }
  const recipe = parseRecipe(json);
  if (!recipe.ok) throw recipe.error;
  if (!studio.getState().history) {
    notify({
      level: 'error',
      text: `There is no model yet to apply the recipe “${recipe.value.name}” to.`,
      advice: 'Open a model first, then drop the recipe again.',
    });
    return;
  }
  if (addVariant(recipe.value)) notify({ level: 'success', text: `Added ${recipe.value.name}.` });
}

function studyOfReport(json: unknown): Study {
  const report = reportSchema.safeParse(json);
  if (!report.success)
    throw new StudioError('recipe/invalid', {
      path: report.error.issues[0]?.path.join('.') || 'the report',
      reason: report.error.issues[0]?.message ?? 'it does not fit the format',
    });
  const { model, task, gate, variants } = report.data;
  const targets = variants.flatMap(({ measurements }) => measurements.map(({ target }) => target));
  const study = parseStudy(
    studySchema.parse({
      model: model.ref,
      variants: variants.map(({ recipe }) => recipe),
      task: task.ref,
      gate,
      ...(targets.length > 0 ? { targets: uniqueTargets(targets) } : {}),
    }),
  );
  if (!study.ok) throw study.error;
  return study.value;
}

function uniqueTargets(targets: Study['targets']): Study['targets'] {
  const seen = new Map(targets.map((target) => [`${target.provider}:${target.threads}`, target]));
  return [...seen.values()];
}

/** Onto the model that is open; else it waits for one. */
async function adopt(study: Study): Promise<void> {
  const { model, replaceStudy } = studio.getState();
  if (model) {
    replaceStudy({ ...study, model: model.ref });
    notify({ level: 'success', text: `Took over ${study.variants.length} variants.` });
    return;
  }
  await openStudy(study);
}
