import { Toast } from '@base-ui/react/toast';
import { Check, CircleAlert, Info, X } from 'lucide-react';
import { useEffect } from 'react';
import { type Notice, onNotice } from '../state/notices.ts';
import { Button, buttonClass } from './components/Button.tsx';
import styles from './toasts.module.css';

const SHOWN_MS = { info: 6_000, success: 6_000, error: 12_000 } as const;
const ICONS = { info: Info, success: Check, error: CircleAlert } as const;

/** A dialog to the library; but it asks for nothing, and what the page calls a dialog has the keyboard to itself. */
const AS_GROUP = { role: 'group', 'aria-modal': undefined } as const;

/** Shows what `notify` says, the newest lowest; whoever points at them or puts the focus there has all the time. */
export default function Toasts() {
  return (
    <Toast.Provider limit={4}>
      <Toast.Portal>
        <Toast.Viewport className={styles.viewport}>
          <ToastList />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  );
}

function ToastList() {
  const { toasts, add, close } = Toast.useToastManager<Notice>();
  useEffect(
    () =>
      onNotice((notice) => {
        add({ title: notice.text, description: notice.advice, data: notice, timeout: SHOWN_MS[notice.level] });
      }),
    [add],
  );
  return [...toasts].reverse().map((toast) => {
    const { level, action } = toast.data!;
    const Icon = ICONS[level];
    return (
      <Toast.Root key={toast.id} toast={toast} className={styles.toast} {...AS_GROUP} swipeDirection="down">
        <Toast.Content className={styles.content}>
          <Icon size={16} aria-hidden className={styles[level]} />
          <div className={styles.text}>
            <Toast.Title className={styles.title} render={<p />} />
            <Toast.Description className={styles.advice} />
          </div>
          {action && (
            <Button
              onClick={() => {
                close(toast.id);
                action.run();
              }}
            >
              {action.label}
            </Button>
          )}
          <Toast.Close className={buttonClass('quiet', true)} aria-label="Dismiss">
            <X size={15} />
          </Toast.Close>
        </Toast.Content>
      </Toast.Root>
    );
  });
}
