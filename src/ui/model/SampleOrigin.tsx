import { useEffect, useState } from 'react';
import type { Sample, SampleCard } from '../../core/study/samples.ts';
import { loadSampleCard } from '../../services/samples.ts';
import { formatCount } from '../format.ts';
import styles from './model.module.css';

const HALF_WEIGHTS =
  'Weights travel as float16. The original is exactly those values in float32, so it is about twice as large as the download.';

/** What a sample is there for, whose it is, and for our own models what they were trained on and what they reach. */
export function SampleOrigin({ sample }: { readonly sample: Sample }) {
  const [card, setCard] = useState<SampleCard | null>(null);
  useEffect(() => {
    let current = true;
    setCard(null);
    loadSampleCard(sample)
      .then((loaded) => current && setCard(loaded))
      // Nothing depends on it: the dialog shows what it has.
      .catch(() => {});
    return () => {
      current = false;
    };
  }, [sample]);
  const rows: readonly (readonly [string, string])[] = [
    ['Licence', card ? `${sample.licence} (${card.licence})` : sample.licence],
    ...(card ? originRows(card) : []),
    ...(sample.model.endsWith('.fp16w.onnx') ? [['Download', HALF_WEIGHTS] as const] : []),
  ];
  return (
    <section className={styles.block}>
      <h3>The sample</h3>
      <p>{sample.story}</p>
      <dl className={styles.facts}>
        {rows.map(([term, text]) => [<dt key={`${term}-t`}>{term}</dt>, <dd key={`${term}-d`}>{text}</dd>])}
      </dl>
    </section>
  );
}

function originRows(card: SampleCard): (readonly [string, string])[] {
  const { steps, seconds, hardware, seed } = card.training;
  const figures = Object.entries(card.metrics.fp32).filter(([name]) => !name.includes('standard_error'));
  return [
    ['Architecture', card.architecture],
    ['Data', card.data],
    ...(card.honesty ? [['To be clear', card.honesty] as const] : []),
    ['Training', `${formatCount(steps)} steps, ${formatCount(seconds)} s on ${hardware}, seed ${seed}`],
    ['In float32', figures.map(([name, value]) => `${name.replaceAll('_', ' ')} ${value}`).join(', ')],
    ['Try', card.what_to_try.join('; ')],
  ];
}
