import type { CalibrationSource } from '../../core/step/define.ts';
import { plural } from '../format.ts';
import styles from './layers.module.css';

const ORIGINS: Readonly<Record<CalibrationSource['origin'], string>> = {
  'calibration-split': 'calibration inputs of the task, which its evaluation does not use',
  'task-inputs': 'inputs of the task, the same that it judges by',
  generated: 'generated random inputs, which may be far from real ones',
};

/** What measurements of layers rest on. */
export function OriginNote(props: { readonly origin: CalibrationSource['origin']; readonly samples: number }) {
  return (
    <p className={styles.about}>
      Measured on {plural(props.samples, 'sample')}: {ORIGINS[props.origin]}.
    </p>
  );
}
