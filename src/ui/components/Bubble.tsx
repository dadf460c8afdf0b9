import { Popover } from '@base-ui/react/popover';
import type { ReactElement, ReactNode } from 'react';
import styles from './controls.module.css';

interface BubbleProps {
  /** The button that opens it. */
  readonly trigger: ReactElement;
  /** Names the popover for assistive technology. */
  readonly title: string;
  readonly children: ReactNode;
  readonly align?: 'start' | 'center' | 'end';
  readonly open?: boolean;
  readonly onOpenChange?: (open: boolean) => void;
}

/** A popover with a heading: Esc and a click elsewhere close it, focus returns to the trigger. */
export function Bubble({ trigger, title, children, align = 'start', open, onOpenChange }: BubbleProps) {
  return (
    <Popover.Root {...(open === undefined ? {} : { open })} {...(onOpenChange ? { onOpenChange } : {})}>
      <Popover.Trigger render={trigger as ReactElement<Record<string, unknown>>} />
      <Popover.Portal>
        <Popover.Positioner
          align={align}
          sideOffset={6}
          collisionPadding={8}
          // On a phone the trigger may be half out of the window; what it opens must not be.
          collisionAvoidance={{ side: 'flip', align: 'shift', fallbackAxisSide: 'none' }}
          sticky
          className={styles.positioner}
        >
          <Popover.Popup className={styles.popup}>
            <Popover.Title className="visually-hidden">{title}</Popover.Title>
            {children}
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}
