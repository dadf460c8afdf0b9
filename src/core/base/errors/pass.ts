import type { ErrorFamily } from './family.ts';

export const passErrors = {
  'pass/refused': {
    message: (d) => `${d.step} was not applied: ${d.reason}.`,
    advice: 'Change the setting that is named, or leave this step out.',
  },
  'pass/failed': {
    message: (d) => `${d.step} failed: ${d.reason}.`,
    advice:
      'The model is unchanged by this step. Leave the step out, and please report this with the model if you can.',
  },
  'pass/bad-weight': {
    message: (d) => `Weight "${d.tensor}" ${d.reason}.`,
    advice: 'Exclude the node from quantization, or repair the weight in the training framework.',
  },
} satisfies ErrorFamily;
