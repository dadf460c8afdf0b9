// Builds every method's variant of every subject and judges it: the figures of docs/QUANTIZATION-TABLE.md.
// Usage: node bench/quality/ours.mjs RESULTS [--models=a,b] [--methods=x,y] [--threads=N]   (needs npm run build)
// RESULTS gets a JSON object a line; what is in it already is not measured again.
import {
  buildVariant,
  nodeExecutor,
  presets,
  quietJob,
  recipeSchema,
  saveFiles,
  temporaryStore,
} from '../../dist-node/core.js';
import { flags, judgeFiles, openResults, openSubject } from './lab.mjs';
import { methods } from './methods.mjs';
import { subjects } from './subjects.mjs';

const [path] = process.argv.slice(2).filter((word) => !word.startsWith('--'));
if (!path) throw new Error('usage: node bench/quality/ours.mjs RESULTS [--models=a,b] [--methods=x,y] [--threads=N]');
const chosen = (all, names) => (names ? all.filter(({ id }) => names.split(',').includes(id)) : all);
const simplify = presets.find(({ id }) => id === 'simplify').recipe;
const results = openResults(path);

for (const { id } of chosen(subjects, flags.models)) {
  const subject = await openSubject(id);
  for (const method of chosen(methods, flags.methods)) {
    if (results.has(id, method.id) || (method.only && !method.only.includes(subject.kind))) continue;
    results.add({ model: id, method: method.id, ...(await measured(subject, method)) });
    console.log(JSON.stringify(results.rows.at(-1)));
  }
}

/** @returns a row's figures, or the error that the user would be shown */
async function measured(subject, method) {
  try {
    const recipe = recipeSchema.parse({ name: method.title, steps: [...simplify.steps, ...method.steps] });
    const { model, facts, runtimeFiles } = await buildVariant({
      model: subject.model,
      modelKey: subject.sha256,
      recipe,
      job: quietJob,
      store: temporaryStore(),
      executor: nodeExecutor(),
      calibration: subject.calibration,
      now: () => performance.now(),
    });
    const quantized = new Set(method.steps.map(({ id }) => id));
    const ms = facts.ledger
      .filter((step) => quantized.has(step.step))
      .reduce((sum, { durationMs }) => sum + durationMs, 0);
    const saved = await saveFiles(model, 'model.onnx');
    const bytes = [saved.graph, ...saved.externalData.map(({ parts }) => parts)]
      .flat()
      .reduce((sum, part) => sum + part.byteLength, 0);
    const judged = await judgeFiles(subject, runtimeFiles, Number(flags.threads ?? 0));
    return { ...judged, bytes, seconds: ms / 1000 };
  } catch (failure) {
    return { error: String(failure.message ?? failure).slice(0, 300) };
  }
}
