/** A repository's files as models to choose from: which .onnx files there are, and which files belong to each. */
import type { HubFile } from './api.ts';

export interface HubVariant {
  readonly graph: HubFile;
  /**
   * Files that by their names hold this one's weights. The graph itself has the last word, but it is not here yet:
   * these say how much there will be to download.
   */
  readonly data: readonly HubFile[];
  /** `model` of `onnx/model_q4f16.onnx`. */
  readonly base: string;
  /** By the naming of transformers.js. */
  readonly dtype: string;
  /** Graph and data. */
  readonly bytes: number;
}

/** Suffix -> what its weights are, as transformers.js and its conversion script name them. Longest first. */
const DTYPES: readonly (readonly [suffix: string, dtype: string])[] = [
  ['_q4f16', 'q4f16'],
  ['_q2f16', 'q2f16'],
  ['_q1f16', 'q1f16'],
  ['_quantized', 'q8'],
  ['_uint8', 'uint8'],
  ['_int8', 'int8'],
  ['_fp16', 'fp16'],
  ['_bnb4', 'bnb4'],
  ['_fp32', 'fp32'],
  ['_q8', 'q8'],
  ['_q4', 'q4'],
  ['_q2', 'q2'],
  ['_q1', 'q1'],
];

/** What other exporters put before or after the word. */
const OTHER_DTYPES = /(?:^|[_.-])(fp16|float16|bf16|fp32|float32|int8|uint8|int4|uint4|q4|q8)(?:$|[_.-])/i;

/** @param name of a file without its folder and `.onnx` */
export function dtypeOfName(name: string): { readonly base: string; readonly dtype: string } {
  for (const [suffix, dtype] of DTYPES)
    if (name.length > suffix.length && name.endsWith(suffix)) return { base: name.slice(0, -suffix.length), dtype };
  const other = OTHER_DTYPES.exec(name)?.[1]?.toLowerCase();
  return { base: name, dtype: other ?? 'fp32' };
}

const folderOf = (path: string) => path.slice(0, path.lastIndexOf('/') + 1);
const isGraph = (path: string) => /\.onnx$/i.test(path);

/**
 * Whether by their names `data` holds weights of `graph`: `model.onnx_data`, `model.onnx_data_1`, `model.onnx.data`,
 * `model.onnx.data.1`, `model.data`, `model.bin`, `model.weights`, in the same folder.
 */
export function isDataOf(graph: string, data: string): boolean {
  if (folderOf(graph) !== folderOf(data) || isGraph(data)) return false;
  if (data.startsWith(graph))
    return /^[._-](?:external_)?(?:data|weights?|bin)(?:[._-]?\d+)?$/i.test(data.slice(graph.length));
  const stem = graph.replace(/\.onnx$/i, '');
  return data.startsWith(stem) && /^\.(?:data|weights?|bin)(?:[._-]?\d+)?$/i.test(data.slice(stem.length));
}

/** Every .onnx file with what belongs to it, by folder and name, the plain one before its quantized forms. */
export function groupVariants(files: readonly HubFile[]): HubVariant[] {
  const byFolder = new Map<string, HubFile[]>();
  for (const file of files) {
    const folder = folderOf(file.path);
    const list = byFolder.get(folder);
    if (list) list.push(file);
    else byFolder.set(folder, [file]);
  }
  const variants = files
    .filter(({ path }) => isGraph(path))
    .map((graph): HubVariant => {
      const folder = folderOf(graph.path);
      const beside = byFolder.get(folder) ?? [];
      const data = beside.filter(({ path }) => isDataOf(graph.path, path));
      const { base, dtype } = dtypeOfName(graph.path.slice(folder.length).replace(/\.onnx$/i, ''));
      return { graph, data, base, dtype, bytes: graph.size + data.reduce((sum, { size }) => sum + size, 0) };
    });
  const rank = ({ dtype }: HubVariant) => (dtype === 'fp32' ? 0 : dtype === 'fp16' ? 1 : 2);
  const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return variants.sort(
    (a, b) =>
      compare(folderOf(a.graph.path), folderOf(b.graph.path)) ||
      compare(a.base, b.base) ||
      rank(a) - rank(b) ||
      compare(a.graph.path, b.graph.path),
  );
}

/** The one to offer first: what the address named, else the plain full-precision model, which is what Whittle starts from. */
export function preferredVariant(variants: readonly HubVariant[], path: string | null): HubVariant | null {
  const inPath =
    path === null ? variants : variants.filter(({ graph }) => graph.path === path || graph.path.startsWith(`${path}/`));
  const among = inPath.length > 0 ? inPath : variants;
  const plain = among.filter(({ dtype }) => dtype === 'fp32');
  return plain.find(({ base }) => base === 'model') ?? plain[0] ?? among[0] ?? null;
}

/** Files that say what the model is and how its inputs are made; small, and kept beside it. */
const COMPANIONS = [
  'config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'preprocessor_config.json',
  'special_tokens_map.json',
  'generation_config.json',
  'vocab.txt',
] as const;
const MAX_COMPANION_BYTES = 32_000_000;

/** Those beside the graph, in its parent, or at the top; the nearest of each name. */
export function companionFiles(files: readonly HubFile[], graphPath: string): HubFile[] {
  const own = folderOf(graphPath);
  const parent = folderOf(own.slice(0, -1));
  const byPath = new Map(files.map((file) => [file.path, file]));
  return COMPANIONS.flatMap((name) => {
    const found = [own, parent, ''].map((folder) => byPath.get(folder + name)).find((file) => file !== undefined);
    return found && found.size <= MAX_COMPANION_BYTES ? [found] : [];
  });
}

/**
 * The repository's path of a file that a graph names.
 * @param location checked by the reader of models: relative, and leading nowhere up
 */
export function besideGraph(graphPath: string, location: string): string {
  const parts = location.split('/').filter((part) => part !== '' && part !== '.');
  return folderOf(graphPath) + parts.join('/');
}
