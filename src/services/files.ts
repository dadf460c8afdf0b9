/** Ways in: drop, browse, paste, URL. All end in `PickedFile`s; `sortFiles` says what they are. */
import { directoryOpen, fileOpen } from 'browser-fs-access';
import { StudioError } from '../core/base/errors/index.ts';

export interface PickedFile {
  /** Path relative to what was dropped, with '/': external data is looked up by it. */
  readonly path: string;
  readonly file: File;
}

/** A model's files: the graph and whatever lay beside it. */
export interface ModelFileSet {
  readonly graph: PickedFile;
  /** Paths are relative to the folder of the graph. */
  readonly others: readonly PickedFile[];
}

export type SortedFiles =
  | { readonly kind: 'model'; readonly files: ModelFileSet }
  /** A recipe, study or report as JSON text. */
  | { readonly kind: 'json'; readonly file: File }
  /** A project as a zip file. */
  | { readonly kind: 'project'; readonly file: File }
  /** Only arrays: inputs (and expected outputs) for the model that is open. */
  | { readonly kind: 'arrays'; readonly files: readonly PickedFile[] };

const ARRAY_SUFFIXES = ['.npy', '.npz', '.pb'];
const endsWithAny = (path: string, suffixes: readonly string[]) =>
  suffixes.some((suffix) => path.toLowerCase().endsWith(suffix));

/**
 * @throws StudioError file/several-models when more than one .onnx is among them, file/nothing-usable when there is
 * nothing to open
 */
export function sortFiles(picked: readonly PickedFile[]): SortedFiles {
  const visible = picked.filter(({ path }) => !path.split('/').at(-1)!.startsWith('.'));
  const models = visible.filter(({ path }) => endsWithAny(path, ['.onnx']));
  if (models.length > 1)
    throw new StudioError('file/several-models', { names: models.map(({ path }) => path).slice(0, 5) });
  if (models.length === 1) return { kind: 'model', files: besides(models[0]!, visible) };
  if (visible.length > 0 && visible.every(({ path }) => endsWithAny(path, ARRAY_SUFFIXES)))
    return { kind: 'arrays', files: visible };
  if (visible.length === 1) {
    const [only] = visible;
    if (endsWithAny(only!.path, ['.json'])) return { kind: 'json', file: only!.file };
    if (endsWithAny(only!.path, ['.zip'])) return { kind: 'project', file: only!.file };
    // Any other single file may be a model without the usual suffix; the reader says so if it is not.
    return { kind: 'model', files: { graph: only!, others: [] } };
  }
  throw new StudioError('file/nothing-usable', { count: picked.length });
}

function besides(graph: PickedFile, all: readonly PickedFile[]): ModelFileSet {
  const folder = graph.path.slice(0, graph.path.lastIndexOf('/') + 1);
  const others = all
    .filter((other) => other !== graph && other.path.startsWith(folder))
    .map(({ path, file }) => ({ path: path.slice(folder.length), file }));
  return { graph: { path: graph.path.slice(folder.length), file: graph.file }, others };
}

/** More files than this in one drop is a folder dropped by mistake. */
const MAX_DROPPED_FILES = 5_000;

/** Call synchronously in the drop handler: a DataTransfer is emptied when the event is over. */
export function collectDrop(transfer: DataTransfer): Promise<PickedFile[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  const plain = [...transfer.files];
  if (entries.some((entry) => entry?.isDirectory)) return collectEntries(entries.filter((entry) => entry !== null));
  return Promise.resolve(plain.map((file) => ({ path: file.name, file })));
}

async function collectEntries(roots: readonly FileSystemEntry[]): Promise<PickedFile[]> {
  const found: PickedFile[] = [];
  const queue = roots.map((entry) => ({ entry, path: entry.name }));
  for (let at = 0; at < queue.length && found.length < MAX_DROPPED_FILES; at++) {
    const { entry, path } = queue[at]!;
    if (entry.isFile) found.push({ path, file: await entryFile(entry as FileSystemFileEntry) });
    else
      for (const child of await entryChildren(entry as FileSystemDirectoryEntry))
        queue.push({ entry: child, path: `${path}/${child.name}` });
  }
  return found;
}

function entryFile(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) =>
    entry.file(resolve, (error) =>
      reject(new StudioError('file/unreadable', { name: entry.name, reason: error.message })),
    ),
  );
}

async function entryChildren(directory: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = directory.createReader();
  const children: FileSystemEntry[] = [];
  // readEntries gives at most 100 a call and an empty list at the end.
  for (;;) {
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, (error) =>
        reject(new StudioError('file/unreadable', { name: directory.name, reason: error.message })),
      ),
    );
    if (batch.length === 0) return children;
    children.push(...batch);
  }
}

const isDismissal = (error: unknown) => error instanceof DOMException && error.name === 'AbortError';

/** @returns null when the dialog was dismissed */
export async function browseFiles(): Promise<PickedFile[] | null> {
  try {
    const files = await fileOpen({
      description: 'ONNX model, with its data files, or a recipe',
      // No list of suffixes: external data has any name.
      multiple: true,
      id: 'whittle-open',
    });
    return files.map((file) => ({ path: file.name, file }));
  } catch (error) {
    if (isDismissal(error)) return null;
    throw error;
  }
}

/** @returns null when the dialog was dismissed */
export async function browseFolder(): Promise<PickedFile[] | null> {
  try {
    const files = (await directoryOpen({ recursive: true, id: 'whittle-open' })) as File[];
    return files
      .filter((file) => file instanceof File)
      .map((file) => ({ path: file.webkitRelativePath || file.name, file }));
  } catch (error) {
    if (isDismissal(error)) return null;
    throw error;
  }
}

/** @returns null when the dialog was dismissed */
export async function browseProject(): Promise<File | null> {
  try {
    return await fileOpen({ description: 'Whittle project', extensions: ['.zip'], id: 'whittle-project' });
  } catch (error) {
    if (isDismissal(error)) return null;
    throw error;
  }
}

export type Pasted =
  | { readonly kind: 'files'; readonly files: readonly PickedFile[] }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'json'; readonly text: string };

/** What a paste holds for us; null leaves the event to the page. */
export function readPaste(transfer: DataTransfer | null): Pasted | null {
  if (!transfer) return null;
  if (transfer.files.length > 0)
    return { kind: 'files', files: [...transfer.files].map((file) => ({ path: file.name, file })) };
  const text = transfer.getData('text/plain').trim();
  if (/^https?:\/\/\S+$/i.test(text)) return { kind: 'url', url: text };
  if (text.startsWith('{') && text.endsWith('}')) return { kind: 'json', text };
  return null;
}
