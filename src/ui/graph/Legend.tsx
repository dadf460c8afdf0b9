import { formatCount, plural } from '../format.ts';
import type { ColourMode, Legend as LegendFacts } from './colour-modes.ts';
import styles from './graph.module.css';

/** What the colours mean, with figures; the figures themselves stand in the boxes, the panel and the list. */
export function Legend({ mode, legend }: { readonly mode: ColourMode; readonly legend: LegendFacts }) {
  const { ramp, words, low, high, without } = legend;
  return (
    <div className={styles.legend}>
      <span className={styles.legendTitle}>
        {mode.title}
        {mode.source ? `, ${mode.source}` : ''}:
      </span>
      {legend.kind === 'amount' && low !== undefined && (
        <>
          <span>{low}</span>
          <span
            className={styles.ramp}
            style={{ background: `linear-gradient(to right, ${ramp.join(', ')})` }}
            aria-hidden
          />
          <span>{high}</span>
        </>
      )}
      {legend.kind === 'amount' && low === undefined && <span>no figures for this graph yet</span>}
      {words.map(({ text, colour, nodes }) => (
        <span key={text} className={styles.word}>
          <span className={styles.swatch} style={{ background: colour }} aria-hidden />
          {text} ({formatCount(nodes)})
        </span>
      ))}
      {without > 0 && low !== undefined && <span>{plural(without, 'node')} without</span>}
    </div>
  );
}
