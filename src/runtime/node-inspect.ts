/**
 * Reads the creation log of onnxruntime-node. The native library writes it to the process's standard error, past
 * JavaScript, so the session is created once more in a process of its own whose standard error can be read.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve, sep } from 'node:path';
import { promisify } from 'node:util';
import type { InferenceSession } from 'onnxruntime-web';
import type { CreationLog } from './ort-session.ts';
import type { RuntimeModel } from './port.ts';
import { identityModel } from './probe-model.ts';

/** Beyond this the copy on disk and the second creation cost more than the log is worth. */
const LIMIT_BYTES = 512 * 2 ** 20;
const TIMEOUT_MS = 60_000;
const MARK = '== whittle: the model ==';

/** Run by a fresh Node as CommonJS: argv[1] is the runtime's path, argv[2] the folder with what to do. */
const script = `
const { readFileSync, writeSync } = require('node:fs');
const [runtime, folder] = process.argv.slice(1);
const { InferenceSession } = require(runtime);
const options = JSON.parse(readFileSync(folder + '/options.json', 'utf8'));
InferenceSession.create(folder + '/probe.onnx', { ...options, graphOptimizationLevel: 'all', extra: {} })
  .then(() => writeSync(2, '\\n${MARK}\\n'))
  .then(() => InferenceSession.create(folder + '/graph.onnx', options))
  .then(() => process.exit(0), () => process.exit(1));
`;

/** @returns null where it cannot be had: the model is too large, or does not load */
export async function readNativeLog(
  model: RuntimeModel,
  options: InferenceSession.SessionOptions,
): Promise<CreationLog | null> {
  const bytes = model.externalData.reduce((sum, { data }) => sum + sizeOf(data), model.graph.byteLength);
  if (bytes > LIMIT_BYTES) return null;
  const folder = await mkdtemp(join(tmpdir(), 'whittle-inspect-'));
  try {
    const { externalData: _inMemory, ...plain } = options;
    await writeFile(join(folder, 'options.json'), JSON.stringify({ ...plain, logSeverityLevel: 0 }));
    await writeFile(join(folder, 'probe.onnx'), identityModel);
    await writeFile(join(folder, 'graph.onnx'), model.graph);
    for (const { path, data } of model.externalData) await writeBeside(folder, path, data);
    const runtime = createRequire(import.meta.url).resolve('onnxruntime-node');
    const { stderr } = await promisify(execFile)(process.execPath, ['-e', script, runtime, folder], {
      maxBuffer: 2 ** 28,
      timeout: TIMEOUT_MS,
    });
    const [probe = '', creation = ''] = stderr.split(MARK);
    return { probe: probe.split('\n'), creation: creation.split('\n') };
  } catch {
    // The session itself reports what is wrong with the model; without its log the figures are merely unknown.
    return null;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const sizeOf = (data: Uint8Array | Blob) => (data instanceof Uint8Array ? data.byteLength : data.size);

async function writeBeside(folder: string, path: string, data: Uint8Array | Blob): Promise<void> {
  const target = resolve(folder, path);
  if (!target.startsWith(folder + sep)) throw new Error(`external data outside the model's folder: ${path}`);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, data instanceof Uint8Array ? data : new Uint8Array(await data.arrayBuffer()));
}
