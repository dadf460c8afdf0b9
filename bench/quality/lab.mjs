// What the scripts beside it share: opening a sample, building a variant of it, judging a file with the sample's task.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import {
  calibrationOf,
  createNodeInfer,
  fileTaskFiles,
  findSample,
  loadTask,
  openModelFile,
  quietJob,
} from '../../dist-node/core.js';
import { findSubject } from './subjects.mjs';

/** A sample's model in float32, its task, and the task's calibration inputs. */
export async function openSubject(id) {
  const { samples, kind } = findSubject(id);
  const sample = await findSample(id);
  const file = await openModelFile(sample.modelPath, quietJob);
  const source = { kind: 'sample-task', id: sample.task.id, assetBase: sample.dataDirectory };
  const files = fileTaskFiles(sample.dataDirectory);
  const task = await loadTask(source, files);
  return {
    id,
    kind,
    samples,
    sample,
    source,
    task,
    model: file.model,
    sha256: await file.sha256(),
    calibration: calibrationOf(source, files),
  };
}

const runtime = { graphOptimizationLevel: 'all', disabledOptimizers: [], disablePrepacking: false };

/**
 * The task's first metric on a model as onnxruntime-node runs it.
 * @param files graph and external data as lists of parts
 */
export async function judgeFiles(subject, files, threads) {
  const infer = createNodeInfer();
  try {
    const target = { provider: 'cpu', threads };
    await infer.open(files, { target, settings: runtime, inspect: false }, quietJob);
    const { metrics, n } = await infer.evaluate(subject.source, quietJob, subject.samples);
    const [{ metric, value, interval }] = metrics;
    if (!Number.isFinite(value)) throw new Error(`${metric} is ${value}`);
    return { metric, value, interval, n };
  } finally {
    infer.dispose();
  }
}

/** Results so far, one JSON object a line: an interrupted run goes on where it was. */
export function openResults(path) {
  const rows = existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line))
    : [];
  const done = new Set(rows.map(({ model, method }) => `${model}/${method}`));
  return {
    rows,
    has: (model, method) => done.has(`${model}/${method}`),
    add(row) {
      done.add(`${row.model}/${row.method}`);
      rows.push(row);
      appendFileSync(path, `${JSON.stringify(row)}\n`);
    },
  };
}

/** --name=value and --name flags. */
export const flags = Object.fromEntries(
  process.argv
    .slice(2)
    .filter((word) => word.startsWith('--'))
    .map((word) => {
      const [name, ...value] = word.slice(2).split('=');
      return [name, value.length > 0 ? value.join('=') : true];
    }),
);
