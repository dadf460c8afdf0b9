/** The keyboard: one table for what keys do and for the help that lists them. Single keys never fire in inputs. */
import { cancelJob } from '../state/actions/jobs.ts';
import { copyLink, downloadReport, runNeeded } from '../state/actions/lazy.ts';
import { chooseFiles } from '../state/actions/start.ts';
import { studio } from '../state/store.ts';

export interface Shortcut {
  /** As shown in the help. */
  readonly keys: readonly string[];
  readonly does: string;
  readonly matches: (event: KeyboardEvent) => boolean;
  readonly run: () => void;
  /** Works while typing in a field too. */
  readonly inFields?: boolean;
}

const plain = (key: string) => (event: KeyboardEvent) =>
  !event.ctrlKey && !event.metaKey && !event.altKey && event.key.toLowerCase() === key;
const withControl = (key: string, shift: boolean) => (event: KeyboardEvent) =>
  (event.ctrlKey || event.metaKey) && !event.altKey && event.shiftKey === shift && event.key.toLowerCase() === key;

function selectNeighbour(step: number): void {
  const { history, selectedId, selectVariant } = studio.getState();
  const ids = history?.present.ids ?? [];
  const next = ids[ids.indexOf(selectedId ?? '') + step];
  if (next) selectVariant(next);
}

export const shortcuts: readonly Shortcut[] = [
  {
    keys: ['R'],
    does: 'Run all variants',
    matches: plain('r'),
    run: () => void runNeeded(),
  },
  {
    keys: ['Esc'],
    does: 'Cancel what is running',
    matches: (event) => event.key === 'Escape' && studio.getState().panel === null,
    run: cancelJob,
  },
  { keys: ['O'], does: 'Open files', matches: plain('o'), run: () => void chooseFiles() },
  { keys: ['['], does: 'Select the previous variant', matches: plain('['), run: () => selectNeighbour(-1) },
  { keys: [']'], does: 'Select the next variant', matches: plain(']'), run: () => selectNeighbour(1) },
  { keys: ['1'], does: 'Side by side', matches: plain('1'), run: () => studio.getState().setView('charts') },
  { keys: ['2'], does: 'Pareto', matches: plain('2'), run: () => studio.getState().setView('pareto') },
  {
    keys: ['3'],
    does: 'Details of the selected variant',
    matches: plain('3'),
    run: () => studio.getState().setView('details'),
  },
  {
    keys: ['4'],
    does: 'Layers: error, sensitivity, calibration',
    matches: plain('4'),
    run: () => studio.getState().setView('layers'),
  },
  {
    keys: ['5'],
    does: 'Profile: time of each node, roofline',
    matches: plain('5'),
    run: () => studio.getState().setView('profile'),
  },
  { keys: ['D'], does: 'Diff', matches: plain('d'), run: () => studio.getState().setView('diff') },
  { keys: ['G'], does: 'Graph', matches: plain('g'), run: () => studio.getState().setView('graph') },
  { keys: ['Ctrl', 'Z'], does: 'Undo', matches: withControl('z', false), run: () => studio.getState().undo() },
  { keys: ['Ctrl', 'Shift', 'Z'], does: 'Redo', matches: withControl('z', true), run: () => studio.getState().redo() },
  {
    keys: ['Ctrl', 'S'],
    does: 'Download the report',
    matches: withControl('s', false),
    inFields: true,
    run: () => void downloadReport(),
  },
  {
    keys: ['Ctrl', 'Shift', 'L'],
    does: 'Copy link',
    matches: withControl('l', true),
    inFields: true,
    run: () => void copyLink(),
  },
  {
    keys: ['B'],
    does: 'Find the best recipe',
    matches: plain('b'),
    run: () => studio.getState().model && studio.getState().openPanel('search'),
  },
  { keys: ['?'], does: 'This help', matches: plain('?'), run: () => studio.getState().openPanel('help') },
];

/** True where a key press is text: fields, and anything editable. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement)
    return true;
  return target instanceof HTMLInputElement && !['checkbox', 'radio', 'button', 'range'].includes(target.type);
}

/** @returns a function that stops listening */
export function listenToKeys(): () => void {
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.defaultPrevented) return;
    const typing = isTyping(event.target);
    // A dialog has the keyboard to itself, but for Esc, which it handles before us.
    const shortcut = shortcuts.find((candidate) => candidate.matches(event) && (!typing || candidate.inFields));
    if (!shortcut) return;
    if (event.key !== 'Escape') event.preventDefault();
    shortcut.run();
  };
  addEventListener('keydown', onKeyDown);
  return () => removeEventListener('keydown', onKeyDown);
}
