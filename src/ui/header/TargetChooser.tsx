import { Cpu } from 'lucide-react';
import { targetLabel } from '../../core/study/run.ts';
import type { Target } from '../../core/study/schema.ts';
import type { Capabilities } from '../../runtime/capabilities.ts';
import { studio } from '../../state/store.ts';
import { TARGET_CHOICES, whyNotHere, withTarget, withThreads } from '../../state/targets.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Bubble } from '../components/Bubble.tsx';
import { buttonClass } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { plural } from '../format.ts';
import { Field } from '../recipe/Field.tsx';
import styles from './header.module.css';

const NO_TARGETS: readonly Target[] = [];

/** Where variants run: several targets are measured one after the other. */
export function TargetChooser() {
  const targets = useStudio((state) => state.history?.present.study.targets ?? NO_TARGETS);
  const capabilities = useStudio((state) => state.capabilities);
  const open = useStudio((state) => state.panel === 'targets');
  return (
    <Bubble
      title="Targets"
      open={open}
      onOpenChange={(next) => studio.getState().openPanel(next ? 'targets' : null)}
      trigger={
        <button type="button" className={buttonClass('plain', false, `${styles.chip} ${styles.fixedChip}`)}>
          <Cpu size={15} aria-hidden />
          <span>
            <span className={styles.chipKey}>On:</span> {targets.map(targetLabel).join(', ')}
          </span>
        </button>
      }
    >
      <div className={styles.form}>
        <h2>Where should variants run?</h2>
        <div>
          {TARGET_CHOICES.map((choice) => (
            <TargetRow key={choice.provider} {...choice} targets={targets} capabilities={capabilities} />
          ))}
        </div>
      </div>
    </Bubble>
  );
}

type RowProps = (typeof TARGET_CHOICES)[number] & {
  readonly targets: readonly Target[];
  readonly capabilities: Capabilities | null;
};

function TargetRow({ provider, title, about, targets, capabilities }: RowProps) {
  const { setTargets } = studio.getState();
  const chosen = targets.find((target) => target.provider === provider);
  const missing = whyNotHere(provider, capabilities);
  const last = chosen !== undefined && targets.length === 1;
  const toggle = (on: boolean) => setTargets(withTarget(targets, provider, on));
  return (
    <div className={styles.target}>
      <label className={controls.check}>
        <input
          type="checkbox"
          checked={chosen !== undefined}
          disabled={last || (missing !== undefined && !chosen)}
          onChange={(event) => toggle(event.target.checked)}
        />
        <span>
          <strong>{title}</strong> {about}
        </span>
      </label>
      {missing && <span className={controls.hint}>Not here: {missing}.</span>}
      {last && <span className={controls.hint}>One target is needed.</span>}
      {provider === 'webgpu' && capabilities?.webgpu.adapter?.isFallback && (
        <span className={controls.hint}>
          This adapter renders in software: numbers are right, latencies say nothing.
        </span>
      )}
      {provider === 'wasm' && chosen && capabilities && (
        <ThreadChoice
          threads={chosen.threads}
          capabilities={capabilities}
          onChange={(threads) => setTargets(withThreads(targets, chosen, threads))}
        />
      )}
    </div>
  );
}

interface ThreadChoiceProps {
  readonly threads: number;
  readonly capabilities: Capabilities;
  readonly onChange: (threads: number) => void;
}

function ThreadChoice({ threads, capabilities, onChange }: ThreadChoiceProps) {
  const { threads: feature, logicalCores } = capabilities;
  if (!feature.available) return <span className={controls.hint}>One thread: {feature.reason}.</span>;
  const counts = [1, 2, 4, 8, 16].filter((count) => count <= logicalCores);
  const options = [0, ...counts];
  if (!options.includes(threads)) options.push(threads);
  return (
    <Field
      field={{
        kind: 'enum',
        key: 'threads',
        title: 'Threads',
        description: 'More threads than physical cores usually cost time.',
        default: 0,
        options,
        optionTitles: Object.fromEntries(
          options.map((count) => [
            count,
            count === 0 ? `Automatic (${plural(feature.automatic, 'thread')})` : plural(count, 'thread'),
          ]),
        ),
      }}
      value={threads}
      onChange={(value) => onChange(Number(value))}
    />
  );
}
