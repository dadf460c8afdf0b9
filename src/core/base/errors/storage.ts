import type { ErrorFamily } from './family.ts';

export const storageErrors = {
  'storage/full': {
    message: (d) =>
      d.needed === undefined
        ? 'There is no storage left in this browser.'
        : `There is not enough storage: ${d.needed} bytes are needed.`,
    advice:
      'Free disk space; in the browser, export projects that you no longer need and delete them. What is on the page is kept until you close it.',
  },
  'storage/unavailable': {
    message: (d) => `Local storage is not available: ${d.reason}.`,
    advice: 'Private windows often forbid it. Everything works, but nothing survives a reload.',
  },
  'storage/unwritable': {
    message: (d) => `${d.name} could not be written: ${d.reason}.`,
    advice: 'Check that the folder exists and may be written to, or choose another place.',
  },
} satisfies ErrorFamily;
