import type { ErrorFamily } from './family.ts';

export const workerErrors = {
  'worker/crashed': {
    message: (d) => `The ${d.worker} worker stopped unexpectedly: ${d.reason}.`,
    advice:
      'Other variants are not affected. Run this one again; if it happens again it probably needs more memory than there is.',
  },
  'worker/terminated': {
    message: (d) => `The ${d.worker} worker was stopped.`,
    advice: 'Run it again when you want its results.',
  },
  'worker/failed-to-start': {
    message: (d) => `The ${d.worker} worker could not start: ${d.reason}.`,
    advice: 'Reload the page. If it happens again the browser may block workers here.',
  },
} satisfies ErrorFamily;
