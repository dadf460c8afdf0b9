import { Menu } from '@base-ui/react/menu';
import { Fragment, type ReactElement, type ReactNode } from 'react';
import styles from './controls.module.css';

export interface Action {
  readonly key: string;
  readonly label: string;
  readonly hint?: string;
  readonly icon?: ReactNode;
  /** The keyboard shortcut, as text. */
  readonly shortcut?: string;
  readonly disabled?: boolean;
  readonly danger?: boolean;
  /** Draws a line above. */
  readonly separated?: boolean;
  readonly run: () => void;
}

export interface ActionGroup {
  readonly title: string;
  readonly actions: readonly Action[];
}

interface ActionMenuProps {
  readonly trigger: ReactElement;
  readonly heading?: string;
  readonly actions?: readonly Action[];
  /** After `actions`, each under its title. */
  readonly groups?: readonly ActionGroup[];
  readonly align?: 'start' | 'end';
}

export function ActionMenu({ trigger, heading, actions = [], groups = [], align = 'end' }: ActionMenuProps) {
  return (
    <Menu.Root>
      <Menu.Trigger render={trigger as ReactElement<Record<string, unknown>>} />
      <Menu.Portal>
        <Menu.Positioner align={align} sideOffset={4} collisionPadding={8} className={styles.positioner}>
          <Menu.Popup className={`${styles.popup} ${styles.menu}`}>
            {heading && <div className={styles.menuHeading}>{heading}</div>}
            {actions.map((action) => (
              <ActionItem key={action.key} action={action} />
            ))}
            {groups.map(({ title, actions: members }) => (
              <Menu.Group key={title}>
                <Menu.GroupLabel className={styles.menuGroup}>{title}</Menu.GroupLabel>
                {members.map((action) => (
                  <ActionItem key={action.key} action={action} />
                ))}
              </Menu.Group>
            ))}
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}

function ActionItem({ action }: { readonly action: Action }) {
  return (
    <Fragment>
      {action.separated && <Menu.Separator className={styles.separator} />}
      <Menu.Item
        className={action.danger ? `${styles.menuItem} ${styles.danger}` : styles.menuItem}
        disabled={action.disabled ?? false}
        onClick={action.run}
      >
        {action.icon}
        <span className={styles.menuText}>
          {action.label}
          {action.hint && <span className={styles.menuHint}>{action.hint}</span>}
        </span>
        {action.shortcut && <span className={styles.menuKey}>{action.shortcut}</span>}
      </Menu.Item>
    </Fragment>
  );
}
