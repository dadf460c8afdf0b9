/** How the window stands: nothing that is part of the study. */
import type { Capabilities } from '../runtime/capabilities.ts';
import { applyTheme, type ThemeChoice, writeTheme } from '../services/preferences.ts';
import type { SliceCreator } from './store.ts';

export type { ThemeChoice };
export type Panel = 'help' | 'recipe' | 'task' | 'model' | 'url';

export interface UiSlice {
  theme: ThemeChoice;
  /** The dialog, sheet or popover that is open; at most one. */
  panel: Panel | null;
  capabilities: Capabilities | null;
  /** Said once, beside the status line: what storage cannot do here. */
  storageNotice: string | null;
  setTheme(theme: ThemeChoice): void;
  openPanel(panel: Panel | null): void;
}

export const createUiSlice: SliceCreator<UiSlice> = (set) => ({
  theme: 'system',
  panel: null,
  capabilities: null,
  storageNotice: null,
  setTheme(theme) {
    writeTheme(theme);
    applyTheme(theme);
    set({ theme });
  },
  openPanel: (panel) => set({ panel }),
});
