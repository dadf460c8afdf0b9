import './core/step/zod-jitless.ts';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { receiveLaunches } from './services/launch.ts';
import { applyTheme, onSystemTheme, readTheme } from './services/preferences.ts';
import { trustOwnScripts } from './services/trusted-types.ts';
import { firstScreenShown } from './state/actions/first-screen.ts';
import { loadActions } from './state/actions/lazy.ts';
import { studio } from './state/store.ts';
import { App } from './ui/App.tsx';
import './ui/theme.css';

trustOwnScripts();
studio.setState({ theme: readTheme() });
applyTheme(studio.getState().theme);
onSystemTheme(() => applyTheme(studio.getState().theme));

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);

void firstScreenShown()
  .then(loadActions)
  .then(async ({ keepSession, startSession, startOfflineUse, openFiles, reportProblem }) => {
    keepSession();
    void startOfflineUse(import.meta.url);
    await startSession();
    receiveLaunches((files) => void openFiles(files), reportProblem);
  });
// Asks the GPU and the runtime's code what there is: not needed for the first frame.
void import('./runtime/capabilities.ts').then(async ({ detectCapabilities }) => {
  studio.setState({ capabilities: await detectCapabilities() });
});
