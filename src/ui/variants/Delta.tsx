import type { DeltaText } from './deltas.ts';
import styles from './variants.module.css';

export function Delta({ delta }: { readonly delta: DeltaText | null }) {
  if (!delta) return null;
  const tone = delta.tone === 'good' ? styles.deltaGood : delta.tone === 'bad' ? styles.deltaBad : '';
  return <span className={`${styles.delta} ${tone}`}>{delta.text}</span>;
}
