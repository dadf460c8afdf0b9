import { SlidersHorizontal } from 'lucide-react';
import { lazy, Suspense } from 'react';
import { selectComparison } from '../state/rows.ts';
import { studio } from '../state/store.ts';
import { useStudio } from '../state/use-studio.ts';
import styles from './app.module.css';
import { ComparisonTable } from './charts/ComparisonTable.tsx';
import { Button } from './components/Button.tsx';
import { Modal } from './components/Modal.tsx';
import { PanelBoundary } from './components/PanelBoundary.tsx';
import { Segmented } from './components/Segmented.tsx';
import { DetailsView } from './details/DetailsView.tsx';
import { plural } from './format.ts';
import { useTurnToDraw } from './in-turn.ts';
import { ModelDialog } from './model/ModelDialog.tsx';
import { ModelSummary } from './model/ModelSummary.tsx';
import { RecipePanel } from './recipe/RecipePanel.tsx';
import { SenderBar } from './share/SenderBar.tsx';
import { VariantStrip } from './variants/VariantStrip.tsx';

const SideBySide = lazy(() => import('./charts/SideBySide.tsx'));
const Pareto = lazy(() => import('./charts/Pareto.tsx'));
const DiffView = lazy(() => import('./diff/DiffView.tsx'));
const GraphView = lazy(() => import('./graph/GraphView.tsx'));
const LayersView = lazy(() => import('./layers/LayersView.tsx'));
const ProfileView = lazy(() => import('./profile/ProfileView.tsx'));

const VIEWS = [
  { value: 'charts', label: 'Side by side' },
  { value: 'pareto', label: 'Pareto' },
  { value: 'details', label: 'Details' },
  { value: 'layers', label: 'Layers' },
  { value: 'graph', label: 'Graph' },
  { value: 'diff', label: 'Diff' },
  { value: 'profile', label: 'Profile' },
] as const;

/** Views that say more than the table does; it is not repeated under them. */
const WITHOUT_TABLE: readonly View[] = ['details', 'layers', 'graph', 'diff', 'profile'];

type View = (typeof VIEWS)[number]['value'];

/** The one window: model and recipe on the left, variants above, the comparison in the middle. */
export default function Workbench() {
  const view = useStudio((state) => toView(state.history?.present.study.view));
  return (
    <main className={styles.workbench}>
      <ModelDialog />
      <aside className={styles.side} aria-label="Model and recipe">
        <PanelBoundary name="model panel">
          <ModelSummary />
        </PanelBoundary>
        <PanelBoundary name="recipe">
          <SideRecipe />
        </PanelBoundary>
      </aside>
      <div className={styles.content}>
        <PanelBoundary name="sender’s figures">
          <SenderBar />
        </PanelBoundary>
        <div className={styles.fold}>
          <PanelBoundary name="list of variants">
            <VariantStrip />
          </PanelBoundary>
          <div className={styles.viewBar}>
            <Segmented label="View" value={view} options={VIEWS} onChange={(next) => studio.getState().setView(next)} />
            <RecipeSheet />
            <TaskNote />
          </div>
          <PanelBoundary name={VIEWS.find(({ value }) => value === view)!.label}>
            <Suspense fallback={<p className={styles.loading}>Loading …</p>}>
              {view === 'charts' && <SideBySide />}
              {view === 'pareto' && <Pareto />}
              {view === 'layers' && (
                <div className={styles.scrolls}>
                  <LayersView />
                </div>
              )}
              {view === 'graph' && <GraphView />}
              {view === 'diff' && <DiffView />}
              {view === 'profile' && (
                <div className={styles.scrolls}>
                  <ProfileView />
                </div>
              )}
              {view === 'details' && (
                <div className={styles.scrolls}>
                  <DetailsView />
                </div>
              )}
            </Suspense>
          </PanelBoundary>
        </div>
        {!WITHOUT_TABLE.includes(view) && (
          <div className={styles.peek}>
            <PanelBoundary name="table">
              <Table />
            </PanelBoundary>
          </div>
        )}
      </div>
    </main>
  );
}

/** Its many fields come a frame after the cards, which are what is looked at first. */
function SideRecipe() {
  return useTurnToDraw() ? <RecipePanel /> : null;
}

/** Links of the future may name views that this version has not. */
function toView(view: string | undefined): View {
  return VIEWS.find(({ value }) => value === view)?.value ?? 'charts';
}

function Table() {
  return <ComparisonTable comparison={useStudio(selectComparison)} />;
}

function TaskNote() {
  const task = useStudio((state) => state.report?.task ?? null);
  // A run that was stopped early has a report without its task's name.
  if (!task?.title) return null;
  const limit = task.ref.kind === 'sample-task' ? task.ref.limit : undefined;
  const part = limit !== undefined && limit < task.samples ? `${limit} of ` : '';
  return (
    <span className={styles.viewNote}>
      {task.title}, {part}
      {plural(task.samples, 'sample')}
    </span>
  );
}

/** On a phone the recipe rises from below; the button is hidden where the panel is always there. */
function RecipeSheet() {
  const open = useStudio((state) => state.panel === 'recipe');
  const { openPanel } = studio.getState();
  return (
    <span className={styles.mobileBar}>
      <Button onClick={() => openPanel('recipe')}>
        <SlidersHorizontal size={15} aria-hidden /> Recipe
      </Button>
      <Modal open={open} onClose={() => openPanel(null)} title="Recipe" sheet>
        <RecipePanel />
      </Modal>
    </span>
  );
}
