import type { ErrorFamily } from './family.ts';

export const projectErrors = {
  'project/not-a-zip': {
    message: (d) => `${d.name} is not a zip file that can be read: ${d.reason}.`,
    advice: 'The download or copy was probably cut off. Export the project again, and compare the sizes of the files.',
  },
  'project/not-a-project': {
    message: (d) => `${d.name} holds no Whittle project: there is no project.json in it.`,
    advice: 'Choose a zip file that Whittle exported. A zipped model must be unpacked first.',
  },
  'project/invalid': {
    message: (d) => `${d.part} of the project is not valid at ${d.path}: ${d.reason}.`,
    advice: 'The file was changed after it was exported. Export the project again.',
  },
  'project/unsafe-name': {
    message: (d) => `The zip file holds a part named "${d.part}", which ${d.reason}.`,
    advice: 'Whittle writes no such names. Do not open this file unless you trust where it comes from.',
  },
  'project/too-large': {
    message: (d) => `${d.what} is ${d.actual}; the limit is ${d.limit}.`,
    advice: 'Whittle writes no such files. Do not open this one unless you trust where it comes from.',
  },
  'project/missing-part': {
    message: (d) => `The project lists ${d.part}, which is not in the zip file.`,
    advice: 'The file was changed after it was exported, or the export was cut off. Export the project again.',
  },
  'project/damaged-part': {
    message: (d) => `${d.part} in the zip file is damaged: ${d.reason}.`,
    advice: 'Copy or download the file again; if that does not help, export the project again.',
  },
  'project/gone': {
    message: () => 'This project is not stored any more.',
    advice: 'It was deleted in another tab. A zip file of it, if there is one, can be imported.',
  },
  'project/model-missing': {
    message: (d) => `The model of “${d.project}” is not stored: ${d.model}.`,
    advice: 'Drop the same file here: recipes, settings and results of the project are kept, and come back with it.',
  },
  'project/open-elsewhere': {
    message: (d) => `“${d.project}” is open in another tab.`,
    advice: 'Close it there first.',
  },
} satisfies ErrorFamily;
