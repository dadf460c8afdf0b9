import type { ErrorFamily } from './family.ts';

const where = (d: Readonly<Record<string, unknown>>) => `${d.repo}${d.revision ? ` at ${d.revision}` : ''}`;

/** Models from a hub of repositories. No token is ever part of an error's data. */
export const hubErrors = {
  'hub/bad-address': {
    message: (d) => `“${d.seen}” is not a repository of the hub: ${d.reason}.`,
    advice: 'Give its name (organization/name) or paste the address of its page or of one of its files.',
  },
  'hub/bad-host': {
    message: (d) => `“${d.seen}” cannot be asked for models: ${d.reason}.`,
    advice: 'Give the address of a server that speaks as huggingface.co does, such as https://mirror.example.',
  },
  'hub/not-found': {
    message: (d) => `${d.host} has no repository ${d.repo} that this page may see.`,
    advice: 'Check the name. If the repository is private, give an access token of an account that may read it.',
  },
  'hub/gated': {
    message: (d) => `${d.repo} is gated: its owner lets only people in who asked for access.`,
    advice:
      'Open its page on the hub, accept the terms there, then give an access token of that account that may read it.',
  },
  'hub/token-refused': {
    message: (d) => `${d.host} did not accept the access token.`,
    advice: 'Copy the token again, whole, or make a new one with the right to read. It begins with hf_.',
  },
  'hub/no-revision': {
    message: (d) => `${d.repo} has no revision “${d.revision}”.`,
    advice: 'Give a branch, a tag or a commit that its page lists; main is the usual one.',
  },
  'hub/no-file': {
    message: (d) => `${where(d)} has no file “${d.path}”.`,
    advice: 'List the repository and choose one of its files. It may have been moved in another revision.',
  },
  'hub/no-models': {
    message: (d) => `${where(d)} has no .onnx file among its ${d.files} files.`,
    advice:
      'Look for a repository with ONNX files (often under onnx-community/), or export the model to ONNX and drop it here.',
  },
  'hub/unreachable': {
    message: (d) => `${d.host} could not be reached.`,
    advice:
      'Check the connection, and that nothing (a proxy, an extension, this page’s host) forbids requests to it. What was downloaded so far is kept.',
  },
  'hub/refused': {
    message: (d) => `${d.host} answered ${d.status}${d.text ? ` (${d.text})` : ''}.`,
    advice: 'Try again later. What was downloaded so far is kept, and only the rest is fetched then.',
  },
  'hub/rate-limited': {
    message: (d) => `${d.host} asks for fewer requests.`,
    advice: 'Wait some minutes and try again; an access token raises the limit. What was downloaded so far is kept.',
  },
  'hub/bad-answer': {
    message: (d) => `${d.host} gave an answer that cannot be used: ${d.reason}.`,
    advice: 'Check that the address is that of a hub. If it is, try again later.',
  },
  'hub/broken-off': {
    message: (d) => `The download of ${d.path} broke off after ${d.done} of ${d.total} bytes, again and again.`,
    advice: 'Try again later: what is here is kept, and only the rest is fetched.',
  },
  'hub/damaged': {
    message: (d) => `${d.path} arrived damaged: its hash is ${d.seen}, and it should be ${d.expected}.`,
    advice: 'It was deleted. Download it again; if that happens again, the server has another file than it says.',
  },
  'hub/other-file': {
    message: (d) => `${d.path} of ${d.repo} is not the file that the link was made with.`,
    advice: 'Open the repository yourself and choose a file; figures may then differ from those of the link.',
  },
  'hub/more-to-download': {
    message: (d) => `${d.path} needs ${d.needed} bytes, and ${d.agreed} bytes were agreed to.`,
    advice: 'Agree to the larger download, or choose another file.',
  },
  'hub/missing-data': {
    message: (d) => `${d.path} keeps weights in ${(d.missing as string[]).join(', ')}, which ${d.repo} does not have.`,
    advice: 'The repository is incomplete at this revision. Choose another file or revision.',
  },
} satisfies ErrorFamily;
