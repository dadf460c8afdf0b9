import type { ErrorFamily } from './family.ts';

export const modelErrors = {
  'model/malformed': {
    message: (d) => `The model is malformed at byte ${d.offset} (${d.path}): ${d.reason}.`,
    advice:
      'The file is damaged or was written by a faulty exporter. Export it again; onnx.checker names the same place.',
  },
  'model/too-deep': {
    message: (d) => `Graphs are nested ${d.depth} levels deep at ${d.path}; the limit is ${d.limit}.`,
    advice: 'No known exporter nests this deeply. Check where the file comes from.',
  },
  'model/bad-dims': {
    message: (d) => `Tensor "${d.tensor}" declares dims [${d.dims}], which ${d.reason}.`,
    advice: 'Export the model again. A shape like this cannot be held in memory and does not match the stored data.',
  },
  'model/data-mismatch': {
    message: (d) =>
      `Tensor "${d.tensor}" (${d.dtype} [${d.dims}]) needs ${d.expected} bytes but ${d.actual} are stored.`,
    advice: 'Export the model again: the weights in the file do not match their declared shape.',
  },
  'model/dangling-input': {
    message: (d) => `Node "${d.node}" (${d.opType}) reads "${d.value}", which nothing produces.`,
    advice: 'The graph was cut or edited incorrectly. Export it again.',
  },
  'model/dangling-output': {
    message: (d) => `Graph output "${d.value}" (${d.graph}) is produced by nothing.`,
    advice: 'The graph was cut or edited incorrectly. Export it again.',
  },
  'model/cycle': {
    message: (d) => `The graph has a cycle through node "${d.node}" (${d.opType}).`,
    advice: 'ONNX graphs must be acyclic. Export the model again; recurrences belong in Loop, Scan or LSTM.',
  },
  'model/duplicate-value': {
    message: (d) => `Value "${d.value}" is produced more than once.`,
    advice: 'ONNX graphs are in single-assignment form. Export the model again.',
  },
  'model/missing-external': {
    message: (d) => `Weights of tensor "${d.tensor}" are in the file "${d.location}", which was not given.`,
    advice: 'Drop the .onnx file together with its data files (all at once, or the whole folder).',
  },
  'model/unsafe-external': {
    message: (d) => `Tensor "${d.tensor}" asks for its data at "${d.location}", outside the model's folder.`,
    advice: 'External data must lie beside the model. Do not open this model unless you trust where it comes from.',
  },
  'model/too-large-for-one-file': {
    message: (d) => `The model is ${d.bytes} bytes; one protobuf file can hold 2147483647.`,
    advice: 'Save it with external data.',
  },
} satisfies ErrorFamily;
