import type { ErrorFamily } from './family.ts';

export const jobErrors = {
  'job/cancelled': {
    message: () => 'Cancelled.',
    advice: 'Nothing was lost; run it again at any time.',
  },
} satisfies ErrorFamily;
