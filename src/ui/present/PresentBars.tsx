import { ChevronLeft, ChevronRight, Maximize, Minimize, Moon, Sun, X } from 'lucide-react';
import { type Decision, questions } from '../../core/report/decision.ts';
import { measuredTargetName } from '../../core/report/rows.ts';
import type { Report } from '../../core/study/results.ts';
import { sameTarget, targetLabel } from '../../core/study/run.ts';
import type { Target } from '../../core/study/schema.ts';
import { verdictIcon, verdictWord } from '../variants/VerdictBadge.tsx';
import styles from './present.module.css';

interface TopBarProps {
  readonly title: string;
  readonly step: number;
  readonly onStep: (step: number) => void;
  readonly isDark: boolean;
  readonly onTheme: () => void;
  /** null where the browser offers none. */
  readonly fullscreen: boolean | null;
  readonly onFullscreen: () => void;
  readonly onClose: () => void;
}

/** Which question, and the controls. Everything here has a key. */
export function TopBar({ title, step, onStep, isDark, onTheme, fullscreen, onFullscreen, onClose }: TopBarProps) {
  return (
    <header className={styles.top}>
      <p className={styles.model} title={title}>
        {title}
      </p>
      <nav aria-label="Questions">
        <ol className={styles.steps}>
          {questions.map(({ id, question, word }, index) => (
            <li key={id}>
              <button
                type="button"
                aria-current={index === step ? 'step' : undefined}
                aria-label={`${index + 1} of ${questions.length}, ${word}: ${question}`}
                onClick={() => onStep(index)}
              >
                {word}
              </button>
            </li>
          ))}
        </ol>
      </nav>
      <div className={styles.controls}>
        <IconButton label="Previous question" disabled={step === 0} onClick={() => onStep(step - 1)}>
          <ChevronLeft />
        </IconButton>
        <IconButton label="Next question" disabled={step === questions.length - 1} onClick={() => onStep(step + 1)}>
          <ChevronRight />
        </IconButton>
        <IconButton label={isDark ? 'Light colours' : 'Dark colours'} onClick={onTheme}>
          {isDark ? <Sun /> : <Moon />}
        </IconButton>
        {fullscreen !== null && (
          <IconButton label={fullscreen ? 'Leave full screen' : 'Full screen'} onClick={onFullscreen}>
            {fullscreen ? <Minimize /> : <Maximize />}
          </IconButton>
        )}
        <IconButton label="End the presentation" onClick={onClose}>
          <X />
        </IconButton>
      </div>
    </header>
  );
}

interface IconButtonProps {
  readonly label: string;
  readonly disabled?: boolean;
  readonly onClick: () => void;
  readonly children: React.ReactNode;
}

/** Disabled ones keep the focus: who presses Next to the end must not lose the keyboard. */
function IconButton({ label, disabled = false, onClick, children }: IconButtonProps) {
  return (
    <button
      type="button"
      className={styles.icon}
      aria-label={label}
      title={label}
      aria-disabled={disabled || undefined}
      onClick={disabled ? undefined : onClick}
    >
      {children}
    </button>
  );
}

interface TogglesProps {
  readonly report: Report;
  readonly all: readonly Decision[];
  readonly shown: number;
  readonly onShow: (variantIndex: number) => void;
  readonly targets: readonly Target[];
  readonly target: Target;
  readonly onTarget: (target: Target) => void;
}

/** The measured variants, each a press away, with the gate's verdict as icon and word. */
export function Toggles({ report, all, shown, onShow, targets, target, onTarget }: TogglesProps) {
  return (
    <div className={styles.toggles}>
      <fieldset>
        <legend className="visually-hidden">Variant</legend>
        {all.map(({ row: { variant, variantIndex }, ship: { verdict } }) => {
          const Icon = verdictIcon(verdict);
          return (
            <button
              key={variantIndex}
              type="button"
              aria-pressed={variantIndex === shown}
              onClick={() => onShow(variantIndex)}
              title={variant}
            >
              <kbd aria-hidden>{variantIndex}</kbd>
              <span className={styles.name}>{variant}</span>
              <span className={styles.mark} data-verdict={verdict}>
                <Icon aria-hidden />
                <span className="visually-hidden">, {verdictWord(verdict)}</span>
              </span>
            </button>
          );
        })}
      </fieldset>
      {targets.length > 1 && (
        <fieldset>
          <legend className="visually-hidden">Runs on</legend>
          {targets.map((one) => (
            <button
              key={targetName(report, one)}
              type="button"
              aria-pressed={sameTarget(one, target)}
              onClick={() => onTarget(one)}
            >
              {targetName(report, one)}
            </button>
          ))}
        </fieldset>
      )}
    </div>
  );
}

function targetName(report: Report, target: Target): string {
  const ran = report.variants
    .flatMap(({ measurements }) => measurements)
    .find((found) => sameTarget(found.target, target) && found.engine.name !== '');
  return ran ? measuredTargetName(ran) : targetLabel(target);
}
