/** How the window stands: nothing that is part of the study. */
import type { ErrorRecord } from '../core/base/errors/index.ts';
import type { NodeLabels, NodeValues } from '../core/graph-view/node-values.ts';
import type { Capabilities } from '../runtime/capabilities.ts';
import { applyTheme, type ThemeChoice, writeTheme } from '../services/preferences.ts';
import type { SliceCreator } from './store.ts';

export type { ThemeChoice };
export type NodeFigures = NodeValues | NodeLabels;
export type Panel =
  | 'help'
  | 'recipe'
  | 'task'
  | 'model'
  | 'url'
  | 'search'
  | 'handover'
  | 'targets'
  | 'gate'
  | 'palette'
  | 'hub'
  | 'projects'
  | 'present'
  | 'about'
  | 'share';
/** The panels of the Layers view. */
export type LayersTab = 'error' | 'sensitivity' | 'calibration';

export interface UiSlice {
  theme: ThemeChoice;
  /** The dialog, sheet or popover that is open; at most one. */
  panel: Panel | null;
  /** What the dialog of the hub begins with. */
  hubText: string;
  /** Why it was opened again, where that can be put right in it. */
  hubError: ErrorRecord | null;
  capabilities: Capabilities | null;
  /** A new version of the app waits for a reload. */
  updateReady: boolean;
  layersTab: LayersTab;
  /** A node by name (else its first output's): what graph, layers, profile and diff point at together. */
  selectedNode: string | null;
  /** Figures and words by node that views offer the graph to colour by; by the variant's id. */
  nodeFigures: Readonly<Record<string, readonly NodeFigures[]>>;
  selectNode(name: string | null): void;
  /** Selects the node and turns to the graph. */
  showInGraph(name: string): void;
  /** Those of the same ids are replaced. */
  offerFigures(variantId: string, figures: readonly NodeFigures[]): void;
  setTheme(theme: ThemeChoice): void;
  setLayersTab(tab: LayersTab): void;
  openPanel(panel: Panel | null): void;
  /**
   * The dialog of the hub, with a repository's name or address to begin with.
   * @param error of that repository: the dialog begins with it, and asks nobody
   */
  openHub(text: string, error?: ErrorRecord | null): void;
}

export const createUiSlice: SliceCreator<UiSlice> = (set, get) => ({
  theme: 'system',
  panel: null,
  hubText: '',
  hubError: null,
  capabilities: null,
  updateReady: false,
  layersTab: 'error',
  selectedNode: null,
  nodeFigures: {},
  selectNode: (selectedNode) => set({ selectedNode }),
  showInGraph(selectedNode) {
    set({ selectedNode });
    get().setView('graph');
  },
  offerFigures(variantId, figures) {
    const ids = new Set(figures.map(({ id }) => id));
    set(({ nodeFigures }) => {
      const kept = (nodeFigures[variantId] ?? []).filter(({ id }) => !ids.has(id));
      return { nodeFigures: { ...nodeFigures, [variantId]: [...kept, ...figures] } };
    });
  },
  setTheme(theme) {
    writeTheme(theme);
    applyTheme(theme);
    set({ theme });
  },
  setLayersTab: (layersTab) => set({ layersTab }),
  openPanel: (panel) => set({ panel }),
  openHub: (hubText, hubError = null) => set({ panel: 'hub', hubText, hubError }),
});
