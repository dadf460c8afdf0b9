import type { ErrorFamily } from './family.ts';

export const runtimeErrors = {
  'runtime/create-failed': {
    message: (d) => `The runtime could not load the model on ${d.target}: ${d.reason}.`,
    advice:
      'Try another target or a lower optimization level; if the original model fails too, the runtime lacks one of its operators.',
  },
  'runtime/run-failed': {
    message: (d) => `The runtime failed while running the model on ${d.target}: ${d.reason}.`,
    advice:
      'Check the input shapes; if the original model runs with the same inputs, this variant cannot run on this target.',
  },
  'runtime/model-rejected': {
    message: (d) => `The runtime does not accept the model on ${d.target}: ${d.reason}.`,
    advice:
      'If the original is accepted and this variant is not, leave out the last step and report it; otherwise export the model again.',
  },
  'runtime/device-lost': {
    message: (d) => `The GPU device was lost on ${d.target}: ${d.reason}.`,
    advice: 'The driver reset it, or it ran out of memory. Run again, with a smaller variant if it happens again.',
  },
  'runtime/missing-kernel': {
    message: (d) => `The runtime has no kernel for ${d.opType} on ${d.target}.`,
    advice: 'Choose another target, or a recipe that does not use this operator.',
  },
  'runtime/unsupported-by-device': {
    message: (d) => `${d.target} cannot run this variant: ${d.reason}.`,
    advice: 'Choose another target or number format.',
  },
  'runtime/out-of-memory': {
    message: (d) => `Out of memory on ${d.target}: ${d.reason}.`,
    advice: 'Close other tabs, use a smaller variant, or hand the weights over as external data.',
  },
  'runtime/unavailable': {
    message: (d) => `${d.target} is not available here: ${d.reason}.`,
    advice: 'Choose another target; the capability panel lists what this device has.',
  },
} satisfies ErrorFamily;
