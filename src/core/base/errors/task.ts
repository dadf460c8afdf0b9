import type { ErrorFamily } from './family.ts';

export const taskErrors = {
  'task/data-missing': {
    message: (d) => `The data of task "${d.task}" could not be loaded: ${d.reason}.`,
    advice: 'Check the connection and try again; the data lies beside the page.',
  },
  'task/shape-mismatch': {
    message: (d) => `Input "${d.input}" expects ${d.expected}, but the data has ${d.actual}.`,
    advice: 'Choose the task that fits this model, or give inputs of the declared shape and type.',
  },
  'task/bad-array': {
    message: (d) => `${d.name} cannot be read as an array: ${d.reason}.`,
    advice: 'Save the array with numpy.save or numpy.savez, or as an ONNX TensorProto (.pb).',
  },
  'task/bad-inputs': {
    message: (d) => `These inputs cannot be used: ${d.reason}.`,
    advice: 'Change the inputs (their number, shape or type) in the task settings.',
  },
  'task/no-references': {
    message: () => 'The outputs of the original model are not known, so there is nothing to compare with.',
    advice: 'See the error of the original: once it runs on these inputs, the others can be compared with it.',
  },
  'task/unknown': {
    message: (d) => `There is no task "${d.task}" in this version of Whittle.`,
    advice: 'Reload the page to get the newest Whittle, or choose another task.',
  },
} satisfies ErrorFamily;
