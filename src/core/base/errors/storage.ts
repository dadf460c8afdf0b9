import type { ErrorFamily } from './family.ts';

export const storageErrors = {
  'storage/full': {
    message: (d) => `There is not enough storage: ${d.needed} bytes are needed.`,
    advice: 'Delete stored models or results, or free disk space. What is on the page is kept until you close it.',
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
