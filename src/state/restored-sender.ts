import { parseStudy } from '../core/study/link.ts';
import { sharedFiguresSchema } from '../core/study/shared-figures.ts';
import type { Sender } from './sender-slice.ts';

/** From storage, which may be of another build. @returns null for anything that is not as it should be */
export function restoredSender(stored: unknown): Sender | null {
  const { study, figures } = (stored ?? {}) as { study?: unknown; figures?: unknown };
  const parsed = sharedFiguresSchema.safeParse(figures);
  if (!parsed.success) return null;
  const checked = parseStudy(study);
  return checked.ok ? { study: checked.value, figures: parsed.data } : null;
}
