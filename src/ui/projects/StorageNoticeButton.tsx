import { HardDrive } from 'lucide-react';
import { editHere, keepAsCopy } from '../../state/actions/projects.ts';
import type { StorageNotice } from '../../state/projects-slice.ts';
import { studio } from '../../state/store.ts';
import { Bubble } from '../components/Bubble.tsx';
import { Button } from '../components/Button.tsx';
import { Note } from '../components/Note.tsx';
import styles from './projects.module.css';

/** Stands in the status line for as long as something is not kept: what, and what can be done. */
export default function StorageNoticeButton({ notice }: { readonly notice: StorageNotice }) {
  return (
    <Bubble
      title="What is not kept"
      align="end"
      trigger={
        <Button look="quiet" className={styles.notSaved} aria-label={`Not saved: ${notice.text}`}>
          <HardDrive size={14} aria-hidden /> Not saved
        </Button>
      }
    >
      <div className={styles.notice}>
        <Note level="warning" advice={notice.advice}>
          {notice.text}
        </Note>
        <div className={styles.buttons}>
          {notice.kind === 'elsewhere' ? (
            <>
              <Button onClick={() => void editHere()}>Edit it here</Button>
              <Button onClick={() => void keepAsCopy()}>Keep as a copy</Button>
            </>
          ) : (
            <Button onClick={() => studio.getState().openPanel('projects')}>Export or delete projects …</Button>
          )}
        </div>
      </div>
    </Bubble>
  );
}
