import { Dialog } from '@base-ui/react/dialog';
import { X } from 'lucide-react';
import type { ReactNode } from 'react';
import { buttonClass } from './Button.tsx';
import styles from './controls.module.css';

interface ModalProps {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly title: string;
  readonly children: ReactNode;
  /** On a phone: rises from the bottom edge over the full width. */
  readonly sheet?: boolean;
  /** Nothing in it takes the focus: it is scrolled by keyboard itself. */
  readonly toRead?: boolean;
  /** For charts and tables. */
  readonly wide?: boolean;
}

export function Modal({ open, onClose, title, children, sheet = false, toRead = false, wide = false }: ModalProps) {
  return (
    <Dialog.Root open={open} onOpenChange={(next) => (next ? undefined : onClose())}>
      <Dialog.Portal>
        <Dialog.Backdrop className={styles.backdrop} />
        <Dialog.Popup className={[styles.dialog, sheet && styles.sheet, wide && styles.wide].filter(Boolean).join(' ')}>
          <div className={styles.dialogHead}>
            <Dialog.Title className={styles.dialogTitle}>{title}</Dialog.Title>
            <Dialog.Close aria-label="Close" className={buttonClass('quiet', true)}>
              <X size={18} />
            </Dialog.Close>
          </div>
          <div className={styles.dialogBody} {...(toRead ? { tabIndex: 0, role: 'region', 'aria-label': title } : {})}>
            {children}
          </div>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
