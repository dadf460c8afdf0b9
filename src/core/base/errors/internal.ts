import type { ErrorFamily } from './family.ts';

export const internalErrors = {
  'internal/unexpected': {
    message: (d) => `Unexpected error: ${d.message}`,
    advice: 'This is a fault in Whittle. Please report it with the steps that led here.',
  },
} satisfies ErrorFamily;
