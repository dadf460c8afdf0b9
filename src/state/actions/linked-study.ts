/** A link whose model is not in it: whether the model that was opened is the one it means. */
import { formatBytes } from '../../core/report/format.ts';
import type { ModelRef, Study } from '../../core/study/schema.ts';
import type { SharedFigures } from '../../core/study/shared-figures.ts';
import { probeOf } from '../../services/model-identity.ts';
import type { LoadedModel } from '../model-slice.ts';
import { notify } from '../notices.ts';
import { studio } from '../store.ts';

export interface LinkedStudy {
  readonly study: Study;
  readonly figures: SharedFigures | null;
}

/**
 * What waited for a model, if this may be it: the link's variants, and the sender's figures where they are of this very
 * model. Says so where it is another.
 */
export function pendingLinkFor(model: LoadedModel): LinkedStudy | null {
  const { pendingStudy: study, pendingFigures: figures } = studio.getState();
  if (!study) return null;
  const match = matchOf(study.model, model);
  if (match === 'unrelated') return null;
  if (match === 'same') return { study, figures };
  notify({
    level: 'info',
    text: `This is not the model that the link was made with: ${difference(study.model, model)}.`,
    advice: figures
      ? 'The link’s recipes are applied to this one. The sender’s figures are left out, since they are of the other.'
      : 'The link’s recipes are applied to this one; figures may differ.',
  });
  return { study, figures: null };
}

/**
 * @returns same: what is meant, as far as the reference tells. other: recipes can be applied, figures are of another
 * model. unrelated: opened for its own sake
 */
export function matchOf(
  wanted: ModelRef,
  { ref, key, name, sha256, fileBytes }: LoadedModel,
): 'same' | 'other' | 'unrelated' {
  if (ref.kind === 'sample' || wanted.kind === 'sample') return 'unrelated';
  if (wanted.kind === 'file') {
    if (wanted.sha256) return wanted.sha256 === sha256 ? 'same' : 'other';
    // Links of earlier versions have only the size of what is too large to hash.
    const same = wanted.probe ? wanted.probe === probeOf(key) : wanted.byteLength === fileBytes;
    return same ? 'same' : 'other';
  }
  if (wanted.kind === 'hub') {
    if (wanted.sha256) return wanted.sha256 === (ref.kind === 'hub' ? ref.sha256 : sha256) ? 'same' : 'other';
    const isIt = ref.kind === 'hub' && ref.repo === wanted.repo && ref.path === wanted.path;
    return isIt && ref.revision === wanted.revision ? 'same' : 'other';
  }
  // Where a server lets no page read from it, people download the file and drop it.
  const same = ref.kind === 'url' ? ref.url === wanted.url : name === fileNameOf(wanted.url);
  return same ? 'same' : 'other';
}

function difference(wanted: ModelRef, { fileBytes }: LoadedModel): string {
  if (wanted.kind !== 'file') return `that is ${nameOf(wanted)}`;
  if (wanted.byteLength === fileBytes) return `${wanted.name} is as large, but its contents differ`;
  return `${wanted.name} has ${formatBytes(wanted.byteLength)}, this has ${formatBytes(fileBytes)}`;
}

/** For messages. */
export function nameOf(model: ModelRef): string {
  switch (model.kind) {
    case 'file':
      return model.name;
    case 'url':
      return model.url;
    case 'hub':
      return `${model.repo}/${model.path}`;
    case 'sample':
      return model.id;
  }
}

/** The last part of the address, as `fetchFile` names what it fetches. */
function fileNameOf(url: string): string {
  const last = new URL(url).pathname.split('/').at(-1) ?? '';
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}
