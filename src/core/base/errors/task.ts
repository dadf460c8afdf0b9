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
} satisfies ErrorFamily;
