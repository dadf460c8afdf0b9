import { CSPProvider } from '@base-ui/react/csp-provider';
import { Tooltip } from '@base-ui/react/tooltip';
import { type ComponentType, lazy, Suspense, useEffect, useState } from 'react';
import { firstScreenShown } from '../state/actions/first-screen.ts';
import type { Panel } from '../state/ui-slice.ts';
import { useStudio } from '../state/use-studio.ts';
import styles from './app.module.css';
import { PanelBoundary } from './components/PanelBoundary.tsx';
import { Header } from './header/Header.tsx';
import { listenToKeys } from './keys.ts';
import { DropZone } from './start/DropZone.tsx';
import { StartPage } from './start/StartPage.tsx';
import { StatusBar } from './status/StatusBar.tsx';

// The start page needs none of it; it is fetched while the user reads.
const loadWorkbench = () => import('./Workbench.tsx');
const Workbench = lazy(loadWorkbench);
const JobAnnouncer = lazy(() => import('./status/JobAnnouncer.tsx'));
const Toasts = lazy(() => import('./Toasts.tsx'));
const HelpDialog = lazy(() => import('./HelpDialog.tsx'));
const AboutDialog = lazy(() => import('./about/AboutDialog.tsx'));
const ProjectsDialog = lazy(() => import('./projects/ProjectsDialog.tsx'));
const HubDialog = lazy(() => import('./hub/HubDialog.tsx'));
const CommandPalette = lazy(() => import('./commands/CommandPalette.tsx'));

export function App() {
  const hasModel = useStudio((state) => state.model !== null && state.history !== null);
  useEffect(listenToKeys, []);
  useEffect(() => {
    void firstScreenShown().then(loadWorkbench);
  }, []);
  return (
    // The page's policy has no place for inline styles.
    <CSPProvider disableStyleElements>
      <Tooltip.Provider delay={400}>
        <div className={styles.shell}>
          <PanelBoundary name="header">
            <Header />
          </PanelBoundary>
          <PanelBoundary name="page">
            {hasModel ? (
              <Suspense fallback={<main />}>
                <Workbench />
              </Suspense>
            ) : (
              <StartPage />
            )}
          </PanelBoundary>
          <PanelBoundary name="status line">
            <StatusBar />
          </PanelBoundary>
        </div>
        <Suspense>
          <JobAnnouncer />
        </Suspense>
        <DropZone />
        <WhenWanted panel="help" dialog={HelpDialog} />
        <WhenWanted panel="about" dialog={AboutDialog} />
        <WhenWanted panel="projects" dialog={ProjectsDialog} />
        <WhenWanted panel="hub" dialog={HubDialog} />
        <WhenWanted panel="palette" dialog={CommandPalette} />
        <Suspense>
          <Toasts />
        </Suspense>
      </Tooltip.Provider>
    </CSPProvider>
  );
}

/** A dialog that is fetched when it is first opened, and stays, so that closing it can be animated. */
function WhenWanted({ panel, dialog: Dialog }: { readonly panel: Panel; readonly dialog: ComponentType }) {
  const open = useStudio((state) => state.panel === panel);
  const [wanted, setWanted] = useState(false);
  if (open && !wanted) setWanted(true);
  return wanted ? (
    <Suspense>
      <Dialog />
    </Suspense>
  ) : null;
}
