/** A variant's recipe in the words of other tools. */
import { StudioError } from '../../core/base/errors/index.ts';
import { allHandovers } from '../../core/handover/all.ts';
import type { Handover } from '../../core/handover/types.ts';
import { saveBlob } from '../../services/export.ts';
import { copyText, linkTo } from '../../services/links.ts';
import { notify } from '../notices.ts';
import { studio } from '../store.ts';
import { reportProblem } from './variants.ts';

/** @returns nothing to choose from where the variant is gone */
export function handoversOf(id: string): { readonly name: string; readonly all: readonly Handover[] } {
  const { history, model } = studio.getState();
  const study = history?.present.study;
  const recipe = study?.variants[history?.present.ids.indexOf(id) ?? -1];
  if (!recipe || !model || !study) return { name: '', all: [] };
  const { name: modelFile, sha256 } = model;
  return {
    name: recipe.name,
    all: allHandovers({ recipe, modelFile, modelSha256: sha256 ?? undefined, link: linkTo(study) }),
  };
}

export async function saveHandover({ fileName, mediaType, text, companions = [] }: Handover): Promise<void> {
  try {
    await saveBlob(new Blob([text], { type: mediaType }), fileName);
    for (const file of companions) await saveBlob(new Blob([file.text], { type: 'text/plain' }), file.fileName);
  } catch (error) {
    reportProblem(error);
  }
}

export async function copyHandover({ text, fileName }: Handover): Promise<void> {
  try {
    await copyText(text);
    notify({ level: 'success', text: `${fileName} copied.` });
  } catch (error) {
    const message = 'the browser did not give access to the clipboard';
    reportProblem(new StudioError('internal/unexpected', { message }, error));
  }
}
