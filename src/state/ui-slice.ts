/** How the window stands: nothing that is part of the study. */
import type { Capabilities } from '../runtime/capabilities.ts';
import { applyTheme, type ThemeChoice, writeTheme } from '../services/preferences.ts';
import type { SliceCreator } from './store.ts';

export type { ThemeChoice };
export type Panel = 'help' | 'recipe' | 'task' | 'model' | 'url' | 'search' | 'handover';
/** The panels of the Layers view. */
export type LayersTab = 'error' | 'sensitivity' | 'calibration';

export interface UiSlice {
  theme: ThemeChoice;
  /** The dialog, sheet or popover that is open; at most one. */
  panel: Panel | null;
  capabilities: Capabilities | null;
  /** Said once, beside the status line: what storage cannot do here. */
  storageNotice: string | null;
  layersTab: LayersTab;
  setTheme(theme: ThemeChoice): void;
  setLayersTab(tab: LayersTab): void;
  openPanel(panel: Panel | null): void;
}

export const createUiSlice: SliceCreator<UiSlice> = (set) => ({
  theme: 'system',
  panel: null,
  capabilities: null,
  storageNotice: null,
  layersTab: 'error',
  setTheme(theme) {
    writeTheme(theme);
    applyTheme(theme);
    set({ theme });
  },
  setLayersTab: (layersTab) => set({ layersTab }),
  openPanel: (panel) => set({ panel }),
});
