// One row of the table: what each tool leaves of a model, and how far its outputs move.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { declaredInputs, outputsOf, relativeError } from './errors.mjs';
import { asOpened, byOnnxruntime, byOnnxsim, byWhittle, countFile } from './tools.mjs';

/**
 * @param options.onnxsim whether to run it; results are kept in `cache` by the model's hash, since each takes seconds
 * @param options.keep folder for Whittle's results; undefined for none
 */
export async function measure(core, subject, { work, cache, onnxsim, keep }) {
  const { name, group, record } = subject;
  const row = { name, group, opset: record?.opset, failures: {} };
  const opened = await asOpened(core, subject.path);
  const path = opened ? join(work, 'opened.onnx') : subject.path;
  if (opened) writeFileSync(path, opened);
  row.before = await countFile(core, path);
  const attempt = (key, run) =>
    run().catch((error) => {
      row.failures[key] = shortText(error);
      return undefined;
    });

  const inputs = await attempt('inputs', () => declaredInputs(path));
  const data = inputs && (await attempt('data', async () => subject.load(inputs)));
  const own = data && (await attempt('original', () => outputsOf(path, data.feeds)));
  // Where onnxruntime does not run the original, torch's own outputs stand in for its.
  const reference = own ?? data?.expected;
  if (own && data.expected) row.torchError = relativeError(data.expected, reference);
  const errorOf = async (model, level) => relativeError(reference, await outputsOf(model, data.feeds, level));

  row.ort = await attempt('ort', () => byOnnxruntime(core, path, 'extended', work));
  if (row.ort && own) row.ort.error = await attempt('ort', () => errorOf(path, 'extended'));
  if (onnxsim) {
    const key = createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16);
    row.onnxsim = await kept(join(cache, `onnxsim-${key}.json`), async () => {
      const { bytes, ...found } = await byOnnxsim(core, path, work);
      if (bytes && own) found.error = await errorOf(bytes).catch(() => null);
      return found;
    });
  }
  for (const [key, portable] of [
    ['whittle', false],
    ['portable', true],
  ]) {
    row[key] = await attempt(key, async () => {
      const { bytes, ...found } = await byWhittle(core, path, portable);
      if (keep) writeFileSync(join(keep, `${name}.${key}.onnx`), bytes);
      if (!reference) return found;
      const outputs = await attempt(`${key} runs`, () => outputsOf(bytes, data.feeds));
      if (!outputs) return { ...found, doesNotRun: true };
      found.error = relativeError(reference, outputs);
      if (data.expected) found.torchError = relativeError(data.expected, outputs);
      return found;
    });
  }
  return row;
}

const shortText = (error) => String(error?.message ?? error).slice(0, 300);

async function kept(path, run) {
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8'));
  const result = await run();
  writeFileSync(path, JSON.stringify(result));
  return result;
}
