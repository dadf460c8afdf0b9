import { reloadForUpdate } from '../../state/actions/lazy.ts';
import { Button } from '../components/Button.tsx';
import styles from './status.module.css';

/** Stands in the status line until somebody wants it; nothing is taken from anybody unasked. JobAnnouncer says it. */
export default function UpdateNotice() {
  return (
    <p className={styles.update}>
      A new version is ready.
      <Button onClick={() => void reloadForUpdate()}>Reload</Button>
    </p>
  );
}
