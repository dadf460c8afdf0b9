import { CircleHelp, Command, Ellipsis, Presentation } from 'lucide-react';
import { openPresentation, presentProblem } from '../../state/present.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { ActionMenu } from '../components/ActionMenu.tsx';
import { Button } from '../components/Button.tsx';
import styles from './header.module.css';
import { themeActions } from './themes.tsx';

/** On phones, in place of the buttons that would not fit beside the others. */
export function MoreMenu() {
  const theme = useStudio((state) => state.theme);
  const problem = useStudio(presentProblem);
  const { openPanel } = studio.getState();
  return (
    <div className={styles.more}>
      <ActionMenu
        trigger={
          <Button look="quiet" icon aria-label="More">
            <Ellipsis size={17} />
          </Button>
        }
        actions={[
          {
            key: 'present',
            label: 'Present',
            icon: <Presentation size={15} />,
            disabled: problem !== null,
            ...(problem && { hint: problem }),
            run: openPresentation,
          },
          { key: 'palette', label: 'All commands', icon: <Command size={15} />, run: () => openPanel('palette') },
          { key: 'help', label: 'Help', icon: <CircleHelp size={15} />, run: () => openPanel('help') },
        ]}
        groups={[{ title: 'Theme', actions: themeActions(theme) }]}
      />
    </div>
  );
}
