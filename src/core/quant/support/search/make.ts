import { clipSearch } from './clip.ts';
import { hqqSearch } from './hqq.ts';
import { kQuantSearch } from './kquant.ts';
import type { BlockSearch, SearchSpec } from './types.ts';

export function makeSearch(spec: SearchSpec): BlockSearch {
  switch (spec.kind) {
    case 'clip':
      return clipSearch(spec.settings, spec.symmetric);
    case 'kquant':
      return kQuantSearch(spec.scheme);
    case 'hqq':
      return hqqSearch(spec.settings, spec.isFractional);
  }
}
