import { CircleCheck, CircleDashed, CircleHelp, CircleX, Flag, type LucideIcon } from 'lucide-react';
import type { Verdict } from '../../core/study/results.ts';
import { Tip } from '../components/Tip.tsx';
import styles from './variants.module.css';

const LOOKS = {
  pass: { word: 'Pass', Icon: CircleCheck, tone: styles.pass },
  fail: { word: 'Fail', Icon: CircleX, tone: styles.fail },
  inconclusive: { word: 'Too few samples', Icon: CircleHelp, tone: styles.inconclusive },
  baseline: { word: 'Baseline', Icon: Flag, tone: '' },
  'not-evaluated': { word: 'Not judged', Icon: CircleDashed, tone: '' },
} as const;

export function verdictWord(verdict: Verdict['verdict']): string {
  return LOOKS[verdict].word;
}

/** The shape that stands for a verdict wherever colours may not be told apart. */
export function verdictIcon(verdict: Verdict['verdict']): LucideIcon {
  return LOOKS[verdict].Icon;
}

/** The gate's verdict as a word and an icon; the reason is in the tooltip, in the details and in the table. */
export function VerdictBadge({ verdict }: { readonly verdict: Verdict }) {
  const { word, Icon, tone } = LOOKS[verdict.verdict];
  return (
    <Tip text={verdict.reason}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the tooltip must be reachable by keyboard */}
      <span className={`${styles.verdict} ${tone}`} tabIndex={0} data-verdict={verdict.verdict}>
        <Icon size={13} aria-hidden />
        {word}
        <span className="visually-hidden">. {verdict.reason}</span>
      </span>
    </Tip>
  );
}
