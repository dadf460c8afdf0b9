import type { ErrorFamily } from './family.ts';

export const recipeErrors = {
  'recipe/invalid': {
    message: (d) => `The recipe is not valid at ${d.path}: ${d.reason}.`,
    advice: 'Correct the named field; docs/RECIPE-FORMAT.md lists every step and its parameters.',
  },
  'recipe/unknown-step': {
    message: (d) => `The recipe names the step "${d.step}", which this version of Whittle does not have.`,
    advice: 'Update Whittle, or remove the step.',
  },
  'recipe/from-the-future': {
    message: (d) => `The ${d.what} has format version ${d.seen}; this version of Whittle reads up to ${d.supported}.`,
    advice: 'Reload the page to get the newest Whittle (or update the command line tool), then open it again.',
  },
  'link/invalid': {
    message: (d) => `The link cannot be read: ${d.reason}.`,
    advice: 'It was probably cut off when it was copied. Ask for the whole link again.',
  },
  'link/too-large': {
    message: (d) => `The link holds ${d.bytes} bytes; the limit is ${d.limit}.`,
    advice: 'Share the recipe as a file instead.',
  },
  'link/bad-figures': {
    message: (d) => `The sender’s figures in the link cannot be read (${d.path}: ${d.reason}).`,
    advice: 'Everything else in it is there: run it to get figures of your own.',
  },
  'link/unknown-sample': {
    message: (d) => `The link names the sample "${d.id}", which this version of Whittle does not have.`,
    advice: 'Reload the page to get the newest Whittle, then open the link again.',
  },
} satisfies ErrorFamily;
