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

interface ActionMenuProps {
  readonly trigger: ReactElement;
  readonly heading?: string;
  readonly actions: readonly Action[];
  readonly align?: 'start' | 'end';
}

export function ActionMenu({ trigger, heading, actions, align = 'end' }: ActionMenuProps) {
  return (
    <Menu.Root>
      <Menu.Trigger render={trigger as ReactElement<Record<string, unknown>>} />
      <Menu.Portal>
        <Menu.Positioner align={align} sideOffset={4} collisionPadding={8} className={styles.positioner}>
          <Menu.Popup className={`${styles.popup} ${styles.menu}`}>
            {heading && <div className={styles.menuHeading}>{heading}</div>}
            {actions.map((action) => (
              <Fragment key={action.key}>
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
            ))}
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}
