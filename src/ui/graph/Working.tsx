import type { Progress } from '../../core/base/progress.ts';
import { Button } from '../components/Button.tsx';
import { formatCount } from '../format.ts';
import styles from './graph.module.css';

/** What is being done, how far it is, and a way to stop it. */
export function Working({ progress, onCancel }: { readonly progress: Progress; readonly onCancel: () => void }) {
  const { stage, done, total, unit } = progress;
  return (
    <div className={styles.working} role="status">
      <span>
        {stage.charAt(0).toUpperCase() + stage.slice(1)}
        {total !== null && total > 0 && unit !== 'bytes' && `: ${formatCount(done)} of ${formatCount(total)}`} …
      </span>
      {total !== null && total > 0 && <progress value={done} max={total} aria-label={stage} />}
      <Button onClick={onCancel}>Cancel</Button>
    </div>
  );
}
