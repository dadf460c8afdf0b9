import { Dialog } from '@base-ui/react/dialog';
import { useEffect, useMemo, useRef, useState } from 'react';
import { type Decision, decisions, questions, recommended } from '../../core/report/decision.ts';
import { slideConditions } from '../../core/report/slide-conditions.ts';
import type { Report } from '../../core/study/results.ts';
import { sameTarget } from '../../core/study/run.ts';
import type { Target } from '../../core/study/schema.ts';
import {
  canFullscreen,
  enterFullscreen,
  isFullscreen,
  leaveFullscreen,
  onFullscreenChange,
} from '../../services/fullscreen.ts';
import { currentReport } from '../../state/report.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Toggles, TopBar } from './PresentBars.tsx';
import styles from './present.module.css';
import { Slide } from './Slide.tsx';

const close = () => studio.getState().openPanel(null);

/** The results for a room: one question a view. */
export default function Present() {
  const report = useStudio(currentReport);
  const title = useStudio((state) => state.model?.title ?? '');
  const targets = useMemo(() => measuredTargets(report), [report]);
  const [first] = targets;
  // Figures may vanish under a presentation, when another model is opened or settings are undone elsewhere.
  useEffect(() => {
    if (!first) close();
  }, [first]);
  useEffect(() => () => void leaveFullscreen(), []);
  if (!report || !first) return null;
  return <Stage report={report} title={title} targets={targets} />;
}

function measuredTargets(report: Report | null): Target[] {
  const targets: Target[] = [];
  for (const { measurements } of report?.variants ?? [])
    for (const { target } of measurements)
      if (!targets.some((known) => sameTarget(known, target))) targets.push(target);
  return targets;
}

interface StageProps {
  readonly report: Report;
  readonly title: string;
  readonly targets: readonly Target[];
}

function Stage({ report, title, targets }: StageProps) {
  const [step, setStep] = useState(0);
  const [wanted, setTarget] = useState(targets[0]!);
  const target = targets.find((one) => sameTarget(one, wanted)) ?? targets[0]!;
  const all = useMemo(() => decisions(report, target), [report, target]);
  const [shown, setShown] = useState(() => firstShown(all));
  const decision = all.find(({ row }) => row.variantIndex === shown) ?? all[0]!;
  const slide = useRef<HTMLDivElement>(null);
  const fullscreen = useFullscreen();
  const theme = useStudio((state) => state.theme);
  const isDark = theme === 'dark' || (theme === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
  const goTo = (next: number) => setStep(Math.min(Math.max(next, 0), questions.length - 1));
  useKeys({
    move: (by) => goTo(step + by),
    goTo,
    show: (index) => all.some(({ row }) => row.variantIndex === index) && setShown(index),
    nextTarget: () => setTarget(targets[(targets.indexOf(target) + 1) % targets.length]!),
    toggleFullscreen: fullscreen.toggle,
  });
  return (
    <Dialog.Root open onOpenChange={(open) => !open && close()} disablePointerDismissal>
      <Dialog.Portal>
        <Dialog.Popup className={styles.stage} initialFocus={slide}>
          <Dialog.Title className="visually-hidden">Presentation of {title}</Dialog.Title>
          <TopBar
            title={title}
            step={step}
            onStep={goTo}
            isDark={isDark}
            onTheme={() => studio.getState().setTheme(isDark ? 'light' : 'dark')}
            fullscreen={canFullscreen() ? fullscreen.on : null}
            onFullscreen={fullscreen.toggle}
            onClose={close}
          />
          <main className={styles.main}>
            <Slide question={questions[step]!} report={report} decision={decision} all={all} focusRef={slide} />
          </main>
          <Toggles
            report={report}
            all={all}
            shown={decision.row.variantIndex}
            onShow={setShown}
            targets={targets}
            target={target}
            onTarget={setTarget}
          />
          <footer className={styles.footer}>{slideConditions(report, decision.row).join(' · ')}</footer>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

/** What the gate recommends, else what was selected in the studio, else the first variant. */
function firstShown(all: readonly Decision[]): number {
  const { history, selectedId } = studio.getState();
  const selected = history?.present.ids.indexOf(selectedId ?? '') ?? 0;
  const best = recommended(all)?.row.variantIndex;
  return best ?? (selected > 0 ? selected : Math.min(1, all.length - 1));
}

interface Keys {
  readonly move: (by: 1 | -1) => void;
  readonly goTo: (step: number) => void;
  readonly show: (variantIndex: number) => void;
  readonly nextTarget: () => void;
  readonly toggleFullscreen: () => void;
}

/** Clickers send PageDown and PageUp. On the window: after a click beside everything nothing has the focus. */
function useKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const { key, target } = event;
      // Space presses the button that has the focus, as everywhere.
      if (key === ' ' && target instanceof HTMLButtonElement) return;
      const { move, goTo, show, nextTarget, toggleFullscreen } = latest.current;
      if (['ArrowRight', 'ArrowDown', 'PageDown', ' '].includes(key)) move(1);
      else if (['ArrowLeft', 'ArrowUp', 'PageUp', 'Backspace'].includes(key)) move(-1);
      else if (key === 'Home') goTo(0);
      else if (key === 'End') goTo(questions.length - 1);
      else if (/^\d$/.test(key)) show(Number(key));
      else if (key.toLowerCase() === 't') nextTarget();
      else if (key.toLowerCase() === 'f') toggleFullscreen();
      else return;
      event.preventDefault();
    };
    addEventListener('keydown', onKeyDown, { capture: true });
    return () => removeEventListener('keydown', onKeyDown, { capture: true });
  }, []);
}

/**
 * In full screen the browser takes the Esc for itself and tells nobody: leaving full screen without our button is that
 * key, so one Esc ends the presentation either way.
 */
function useFullscreen(): { readonly on: boolean; readonly toggle: () => void } {
  const [on, setOn] = useState(isFullscreen);
  const byButton = useRef(false);
  useEffect(
    () =>
      onFullscreenChange(() => {
        const now = isFullscreen();
        setOn(now);
        if (!now && !byButton.current) close();
        byButton.current = false;
      }),
    [],
  );
  const toggle = () => {
    if (!isFullscreen()) {
      void enterFullscreen();
      return;
    }
    byButton.current = true;
    void leaveFullscreen();
  };
  return { on, toggle };
}
