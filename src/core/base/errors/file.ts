import type { ErrorFamily } from './family.ts';

export const fileErrors = {
  'file/not-onnx': {
    message: (d) => `${d.name} is not an ONNX model: ${d.seen}.`,
    advice:
      'Choose a file with an ONNX ModelProto in it, usually named *.onnx. Other formats must be exported to ONNX first.',
  },
  'file/truncated': {
    message: (d) =>
      `${d.name} ends early: ${d.what} at byte ${d.offset} needs ${d.needed} bytes, ${d.available} are left.`,
    advice: 'The download or copy was probably cut off. Fetch the file again and compare its size with the source.',
  },
  'file/unreadable': {
    message: (d) => `${d.name} could not be read: ${d.reason}.`,
    advice: 'Check that the file still exists and has not changed since it was chosen, then choose it again.',
  },
  'file/fetch-failed': {
    message: (d) => `${d.url} could not be fetched: ${d.reason}.`,
    advice:
      'Check the address. The server must allow cross-origin requests (CORS); otherwise download the file and drop it here.',
  },
  'file/several-models': {
    message: (d) => `There is more than one model among these files: ${(d.names as string[]).join(', ')}.`,
    advice: 'Choose one .onnx file, together with its data files if it has any.',
  },
  'file/nothing-usable': {
    message: (d) => `None of the ${d.count} chosen files is a model, a recipe or an array.`,
    advice: 'Choose an .onnx file (with its data files), a recipe as .json, or inputs as .npy, .npz or .pb.',
  },
} satisfies ErrorFamily;
