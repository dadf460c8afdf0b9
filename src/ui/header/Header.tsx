import { CircleHelp, Command } from 'lucide-react';
import { lazy, Suspense } from 'react';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { ActionMenu } from '../components/ActionMenu.tsx';
import { Button } from '../components/Button.tsx';
import { Logo } from '../components/Logo.tsx';
import { Tip } from '../components/Tip.tsx';
import styles from './header.module.css';
import { THEMES, themeActions } from './themes.tsx';

const ModelControls = lazy(() => import('./ModelControls.tsx'));

export function Header() {
  const hasModel = useStudio((state) => state.model !== null && state.history !== null);
  return (
    <header className={styles.header}>
      <h1 className={styles.brand}>
        <Logo /> <span className={styles.brandName}>Whittle</span>
      </h1>
      {hasModel && (
        <Suspense>
          <ModelControls />
        </Suspense>
      )}
      <div className={`${styles.always} ${hasModel ? styles.roomy : styles.pushed}`}>
        <Tip text="All commands (Ctrl K)">
          <Button look="quiet" icon aria-label="All commands" onClick={() => studio.getState().openPanel('palette')}>
            <Command size={16} />
          </Button>
        </Tip>
        <ThemeMenu />
        <Tip text="Keyboard and help (?)">
          <Button look="quiet" icon aria-label="Help" onClick={() => studio.getState().openPanel('help')}>
            <CircleHelp size={17} />
          </Button>
        </Tip>
      </div>
    </header>
  );
}

function ThemeMenu() {
  const theme = useStudio((state) => state.theme);
  const { Icon } = THEMES.find(({ value }) => value === theme) ?? THEMES[0]!;
  return (
    <ActionMenu
      trigger={
        <Button look="quiet" icon aria-label={`Theme: ${theme}`}>
          <Icon size={17} />
        </Button>
      }
      actions={themeActions(theme)}
    />
  );
}
