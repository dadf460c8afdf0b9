import { ShieldCheck } from 'lucide-react';
import type { Gate } from '../../core/study/schema.ts';
import { selectComparison } from '../../state/rows.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Bubble } from '../components/Bubble.tsx';
import { buttonClass } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { Segmented } from '../components/Segmented.tsx';
import { formatPercent } from '../format.ts';
import { Field } from '../recipe/Field.tsx';
import styles from './header.module.css';

/** "at most 2 % worse" */
export function gateText({ mode, maxWorse }: Gate, format: 'percent' | 'decimal' | 'decibel' | undefined): string {
  const clean = (value: number) => String(Number(value.toPrecision(6)));
  if (mode === 'relative') return `at most ${clean(maxWorse * 100)}\u202f% worse`;
  if (format === 'percent') return `at most ${clean(maxWorse * 100)} point${maxWorse === 0.01 ? '' : 's'} worse`;
  return `at most ${clean(maxWorse)}${format === 'decibel' ? '\u202fdB' : ''} worse`;
}

export function GateEditor() {
  const { gate, metrics } = useStudio(selectComparison);
  const [metric] = metrics;
  const open = useStudio((state) => state.panel === 'gate');
  const { setGate } = studio.getState();
  const asPercent = gate.mode === 'relative' || metric?.format === 'percent';
  return (
    <Bubble
      title="The gate"
      open={open}
      onOpenChange={(next) => studio.getState().openPanel(next ? 'gate' : null)}
      trigger={
        <button type="button" className={buttonClass('plain', false, `${styles.chip} ${styles.fixedChip}`)}>
          <ShieldCheck size={15} aria-hidden />
          <span>
            <span className={styles.chipKey}>Gate:</span> {gateText(gate, metric?.format)}
          </span>
        </button>
      }
    >
      <div className={styles.form}>
        <h2>How much worse may a variant be?</h2>
        <Segmented
          label="Relative or absolute"
          value={gate.mode}
          options={[
            { value: 'relative', label: 'Relative' },
            { value: 'absolute', label: 'Absolute' },
          ]}
          onChange={(mode) => setGate({ ...gate, mode })}
        />
        <p className={controls.hint}>
          {gate.mode === 'relative'
            ? `A share of the original’s value${metric ? ` (${metric.short})` : ''}.`
            : `In the unit of ${metric?.short ?? 'the metric'}${metric?.format === 'percent' ? ', percentage points' : ''}.`}
        </p>
        <div className={styles.row}>
          <Field
            field={{
              kind: 'number',
              key: 'maxWorse',
              title: 'At most this much worse',
              description: 'A variant passes when it is surely no worse than this.',
              unit: gate.mode === 'relative' ? '%' : asPercent ? 'points' : metric?.format === 'decibel' ? 'dB' : '',
              default: 2,
              min: 0,
              max: asPercent ? 100_000 : 1000,
              integer: false,
            }}
            value={Number((asPercent ? gate.maxWorse * 100 : gate.maxWorse).toPrecision(9))}
            onChange={(value) => setGate({ ...gate, maxWorse: asPercent ? Number(value) / 100 : Number(value) })}
          />
          <Field
            field={{
              kind: 'enum',
              key: 'confidence',
              title: 'Confidence',
              description: 'Level of the interval that the verdict rests on.',
              default: 0.95,
              options: [0.8, 0.9, 0.95, 0.99],
              optionTitles: Object.fromEntries([0.8, 0.9, 0.95, 0.99].map((level) => [level, formatPercent(level)])),
            }}
            value={gate.confidence}
            onChange={(value) => setGate({ ...gate, confidence: Number(value) })}
          />
        </div>
        <p className={controls.hint}>
          Pass and fail need the whole interval on one side of the limit. Else the verdict is “too few samples”: it says
          how many would do. Changing the gate judges the present figures again, without a run.
        </p>
      </div>
    </Bubble>
  );
}
