import { Box, Download, Play, Presentation, Share2, Sparkles } from 'lucide-react';
import { lazy, Suspense, useState } from 'react';
import { runNeeded } from '../../state/actions/run.ts';
import { openPresentation, presentProblem } from '../../state/present.ts';
import { selectComparison, selectNeedsRun } from '../../state/rows.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { ActionMenu } from '../components/ActionMenu.tsx';
import { Button } from '../components/Button.tsx';
import { Tip } from '../components/Tip.tsx';
import { formatBytes } from '../format.ts';
import { downloadActions, reportActions } from './download-actions.tsx';
import { GateEditor } from './GateEditor.tsx';
import styles from './header.module.css';
import { MoreMenu } from './MoreMenu.tsx';
import { modelActions } from './model-actions.tsx';
import { TargetChooser } from './TargetChooser.tsx';
import { TaskChooser } from './TaskChooser.tsx';

/** What the header offers while a model is open: what is compared, where, on what, by which rule; and the results out. */
export default function ModelControls() {
  return (
    <>
      <div className={styles.chips}>
        <ModelChip />
        <TaskChooser />
        <TargetChooser />
        <GateEditor />
      </div>
      <div className={styles.actions}>
        <RunButton />
        <SearchButton />
        <ShareButton />
        <PresentButton />
        <DownloadMenu />
        <MoreMenu />
      </div>
    </>
  );
}

function ModelChip() {
  const model = useStudio((state) => state.model);
  if (!model) return null;
  return (
    <ActionMenu
      align="start"
      trigger={
        <Button className={`${styles.chip} ${styles.modelChip}`} title={model.name}>
          <Box size={15} aria-hidden />
          <span>
            <strong>{model.title}</strong> <span className={styles.chipKey}>{formatBytes(model.fileBytes)}</span>
          </span>
        </Button>
      }
      actions={modelActions()}
    />
  );
}

function RunButton() {
  const busy = useStudio((state) => state.job !== null || state.opening !== null);
  const needed = useStudio(selectNeedsRun);
  return (
    <Tip text={needed ? 'Measure what has no figures yet (R)' : 'Everything is measured. Measure it all again (R)'}>
      <Button look={needed ? 'primary' : 'plain'} disabled={busy} onClick={() => void runNeeded()}>
        <Play size={15} aria-hidden /> {needed ? 'Run all' : 'Run again'}
      </Button>
    </Tip>
  );
}

/** Fetched with the first press: most visits never search. */
const SearchDialog = lazy(() => import('../search/SearchDialog.tsx'));

function SearchButton() {
  const open = useStudio((state) => state.panel === 'search');
  const running = useStudio((state) => state.job?.kind === 'search');
  const [wanted, setWanted] = useState(false);
  // Once fetched it stays, so that closing it can be animated and its form keeps what was typed.
  if (open && !wanted) setWanted(true);
  return (
    <>
      <Tip text="Search the smallest or fastest recipe within the gate (B)">
        <Button aria-haspopup="dialog" onClick={() => studio.getState().openPanel('search')}>
          <Sparkles size={15} aria-hidden />
          <span className={styles.optional}>{running ? 'Searching …' : 'Find the best'}</span>
          <span className={styles.onlyNarrow}>Find the best</span>
        </Button>
      </Tip>
      {wanted && (
        <Suspense>
          <SearchDialog />
        </Suspense>
      )}
    </>
  );
}

const ShareDialog = lazy(() => import('../share/ShareDialog.tsx'));

function ShareButton() {
  const open = useStudio((state) => state.panel === 'share');
  return (
    <>
      <Tip text="Share a link, with your figures (Ctrl+Shift+L copies it at once)">
        <Button aria-label="Share" aria-haspopup="dialog" icon onClick={() => studio.getState().openPanel('share')}>
          <Share2 size={16} />
        </Button>
      </Tip>
      {open && (
        <Suspense>
          <ShareDialog />
        </Suspense>
      )}
    </>
  );
}

const Present = lazy(() => import('../present/Present.tsx'));

function PresentButton() {
  const open = useStudio((state) => state.panel === 'present');
  const problem = useStudio(presentProblem);
  return (
    <>
      <Tip text={problem ?? 'Present to a room: one question a view (P)'}>
        <Button
          className={styles.roomy!}
          aria-label="Present"
          aria-haspopup="dialog"
          icon
          disabled={problem !== null}
          focusableWhenDisabled
          onClick={openPresentation}
        >
          <Presentation size={16} />
        </Button>
      </Tip>
      {open && (
        <Suspense>
          <Present />
        </Suspense>
      )}
    </>
  );
}

const HandoverDialog = lazy(() => import('../handover/HandoverDialog.tsx'));

function DownloadMenu() {
  const handsOver = useStudio((state) => state.panel === 'handover');
  const row = useStudio((state) => selectComparison(state).rows.find(({ id }) => id === state.selectedId));
  return (
    <>
      <ActionMenu
        trigger={
          <Button aria-label="Download">
            <Download size={16} aria-hidden />
            <span className={styles.optional}>Download</span>
          </Button>
        }
        actions={downloadActions(row)}
        groups={[{ title: 'Report', actions: reportActions() }]}
      />
      {handsOver && (
        <Suspense>
          <HandoverDialog />
        </Suspense>
      )}
    </>
  );
}
