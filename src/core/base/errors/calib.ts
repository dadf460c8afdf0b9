import type { ErrorFamily } from './family.ts';

export const calibErrors = {
  'calib/no-data': {
    message: (d) => `${d.step} needs calibration data, and there is none.`,
    advice: 'Choose a task (a sample, your own arrays or random inputs): its inputs show how large the values get.',
  },
  'calib/too-few-samples': {
    message: (d) => `Calibration of "${d.tensor}" saw ${d.count} values; ${d.needed} are needed at least.`,
    advice: 'Give more calibration samples, or check that the inputs are not empty.',
  },
  'calib/not-finite': {
    message: (d) => `"${d.tensor}" has NaN or infinite values in calibration sample ${d.sample}.`,
    advice: 'Check the calibration inputs; if they are right, exclude the nodes around this value from quantization.',
  },
  'calib/missing-value': {
    message: (d) => `The runtime did not return the value "${d.tensor}" as float32.`,
    advice:
      'Exclude the node that makes this value from quantization, and please report this with the model if you can.',
  },
  'calib/model-too-large': {
    message: (d) => `The model has ${d.bytes} bytes of weights; calibration runs models up to ${d.limit} bytes.`,
    advice: 'Use a method without calibration: INT8 weights, dynamic INT8 or INT4.',
  },
} satisfies ErrorFamily;
