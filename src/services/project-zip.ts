/** A project as one zip file, written and read as a stream: no model is ever in memory as a whole. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { makeZip } from 'client-zip';
import { throwIfCancelled } from '../core/base/cancel.ts';
import { StudioError } from '../core/base/errors/index.ts';
import type { JobContext } from '../core/base/progress.ts';
import {
  type CheckedProject,
  PROJECT_PART,
  PROJECT_VERSION,
  type ProjectFile,
  type ProjectPart,
  type ProjectResults,
  parseProjectFile,
  parseProjectResults,
  REPORT_PART,
  RESULTS_PART,
} from '../core/project/project-file.ts';
import type { Report } from '../core/study/results.ts';
import { KEPT_ARRAY_BYTES } from './arrays.ts';
import type { ModelFileSet, PickedFile } from './files.ts';
import { identifyModel } from './model-identity.ts';
import { holdModel, receiveModel } from './model-store.ts';
import { readZip, requireSafeName, type ZipPart } from './read-zip.ts';

export interface ProjectContents {
  readonly project: Omit<ProjectFile, 'format' | 'version' | 'parts'>;
  readonly results: ProjectResults;
  readonly report: Report | null;
  readonly model: ModelFileSet;
  /** The user's arrays. */
  readonly task: readonly PickedFile[];
}

/** Stops, with an error, when the job is cancelled. */
function counted(job: JobContext, onBytes: (chunk: Uint8Array) => void) {
  return new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      throwIfCancelled(job.signal);
      onBytes(chunk);
      controller.enqueue(chunk);
    },
  });
}

/** The zip file's bytes, as they are asked for. Errors of the job (job/cancelled) come out of the stream. */
export function writeProjectZip(contents: ProjectContents, job: JobContext): ReadableStream<Uint8Array> {
  const { project, results, report, model, task } = contents;
  const files = [
    { role: 'graph' as const, part: `model/${baseName(model.graph.path)}`, ...model.graph },
    ...model.others.map((other) => ({ role: 'data' as const, part: `model/${other.path}`, ...other })),
    ...task.map((array) => ({ role: 'task' as const, part: `task/${array.path}`, ...array })),
  ];
  const total = files.reduce((sum, { file }) => sum + file.size, 0);
  let done = 0;
  async function* parts() {
    const written: ProjectPart[] = [];
    for (const { role, part, path, file } of files) {
      const hash = sha256.create();
      const input = file.stream().pipeThrough(
        counted(job, (chunk) => {
          hash.update(chunk);
          done += chunk.length;
          job.onProgress({ stage: 'exporting the project', done, total, unit: 'bytes' });
        }),
      );
      yield { name: part, input, size: file.size };
      // Asked for the next part, so this one has gone out.
      written.push({ role, part, path, bytes: file.size, sha256: bytesToHex(hash.digest()) });
    }
    if (report) yield { name: REPORT_PART, input: JSON.stringify(report, null, 1) };
    yield { name: RESULTS_PART, input: JSON.stringify(results) };
    const file: ProjectFile = { format: 'whittle-project', version: PROJECT_VERSION, ...project, parts: written };
    yield { name: PROJECT_PART, input: JSON.stringify(file, null, 1) };
  }
  return makeZip(parts());
}

const baseName = (path: string) => path.split('/').at(-1)!;

const MAX_JSON_BYTES = { [PROJECT_PART]: 16_000_000, [RESULTS_PART]: 256_000_000 } as const;

export interface ReceivedProject {
  readonly project: CheckedProject;
  readonly results: ProjectResults;
  readonly modelKey: string;
  readonly modelBytes: number;
  readonly sha256: string | null;
  readonly task: readonly PickedFile[];
  /** The model is held until this is called: by then an index entry must name it. */
  readonly release: () => void;
}

/**
 * Reads a project and puts its model into the model store. What fails leaves nothing behind.
 * @throws StudioError project/*, recipe/*, storage/*, job/cancelled
 */
export async function readProjectZip(file: Blob, fileName: string, job: JobContext): Promise<ReceivedProject> {
  const all = await readZip(file, fileName);
  const root = projectRoot([...all.keys()]);
  if (root === null) throw new StudioError('project/not-a-project', { name: fileName });
  const need = (name: string): ZipPart => {
    const part = all.get(root + name);
    if (!part) throw new StudioError('project/missing-part', { part: name });
    return part;
  };
  const project = parseProjectFile(await textOf(need(PROJECT_PART), MAX_JSON_BYTES[PROJECT_PART]));
  const results = parseProjectResults(await textOf(need(RESULTS_PART), MAX_JSON_BYTES[RESULTS_PART]));
  for (const { part, path, bytes } of project.parts) {
    requireSafeName(path);
    if (need(part).bytes !== bytes) throw damaged(part, `it has ${need(part).bytes} bytes instead of ${bytes}`);
  }
  const total = project.parts.reduce((sum, { bytes }) => sum + bytes, 0);
  const models = project.parts.filter(({ role }) => role !== 'task');
  const modelBytes = models.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  const onBytes = (count: number) => {
    done += count;
    job.onProgress({ stage: 'importing the project', done, total, unit: 'bytes' });
  };
  const task = await readTask(
    project.parts.filter(({ role }) => role === 'task'),
    need,
    job,
    onBytes,
  );
  const incoming = await receiveModel(modelBytes);
  try {
    for (const entry of models)
      await incoming.write(entry.role === 'graph' ? null : entry.path, await checkedPart(entry, need, job), onBytes);
    const identity = await identifyModel(await incoming.files(project.model.name));
    // Stored models are shared by key: a file that claims another's would take its place.
    if (identity.key !== project.model.key) throw damaged(PROJECT_PART, 'its model is another one than it says');
    const release = await holdModel(identity.key);
    await incoming.keepAs(identity.key, project.model.name);
    return { project, results, modelKey: identity.key, modelBytes, sha256: identity.sha256, task, release };
  } catch (error) {
    await incoming.discard();
    throw error;
  }
}

/** The folder in the zip file that the project lies in: programs that pack a folder add it. */
function projectRoot(names: readonly string[]): string | null {
  const found = names.filter((name) => name === PROJECT_PART || /^[^/]+\/project\.json$/.test(name));
  const shortest = found.sort((a, b) => a.length - b.length)[0];
  return shortest === undefined ? null : shortest.slice(0, -PROJECT_PART.length);
}

async function textOf(part: ZipPart, limit: number): Promise<string> {
  if (part.bytes > limit)
    throw new StudioError('project/too-large', { what: `${part.name}, in bytes,`, actual: part.bytes, limit });
  return new Response(unpacked(part.name, await part.open())).text().catch((error: unknown) => {
    throw asDamage(part.name, error);
  });
}

/** The platform's inflate throws its own errors. */
function asDamage(part: string, error: unknown): StudioError {
  if (error instanceof StudioError) return error;
  return damaged(part, error instanceof Error ? error.message : String(error));
}

function unpacked(
  part: string,
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        controller.error(asDamage(part, error));
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

type Need = (name: string) => ZipPart;

/** A part's bytes; the stream fails at its end when they are not those that were listed. */
async function checkedPart(entry: ProjectPart, need: Need, job: JobContext): Promise<ReadableStream<Uint8Array>> {
  const hash = sha256.create();
  const verify = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      hash.update(chunk);
      controller.enqueue(chunk);
    },
    flush() {
      if (bytesToHex(hash.digest()) !== entry.sha256) throw damaged(entry.part, 'its SHA-256 is not the listed one');
    },
  });
  const contents = unpacked(entry.part, await need(entry.part).open());
  return contents.pipeThrough(counted(job, () => {})).pipeThrough(verify);
}

async function readTask(
  entries: readonly ProjectPart[],
  need: Need,
  job: JobContext,
  onBytes: (count: number) => void,
): Promise<PickedFile[]> {
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  if (bytes > KEPT_ARRAY_BYTES)
    throw new StudioError('project/too-large', {
      what: 'The data of the task, in bytes,',
      actual: bytes,
      limit: KEPT_ARRAY_BYTES,
    });
  const files: PickedFile[] = [];
  for (const entry of entries) {
    const stream = await checkedPart(entry, need, job);
    const blob = await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).blob();
    files.push({ path: entry.path, file: new File([blob], baseName(entry.path)) });
    onBytes(entry.bytes);
  }
  return files;
}

function damaged(part: string, reason: string): StudioError {
  return new StudioError('project/damaged-part', { part, reason });
}
