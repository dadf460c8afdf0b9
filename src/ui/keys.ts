/**
 * The commands with a key: the keyboard, the help and the palette (commands/) all go by this table. Single keys never fire
 * in inputs, nor above an open dialog.
 */
import { cancelJob } from '../state/actions/jobs.ts';
import { copyLink, downloadReport, runNeeded } from '../state/actions/lazy.ts';
import { chooseFiles } from '../state/actions/start.ts';
import { notify } from '../state/notices.ts';
import { openPresentation, presentProblem } from '../state/present.ts';
import { studio } from '../state/store.ts';
import { needsFreeHands, needsModel, needsReport, type Shortcut } from './commands/command.ts';

const plain = (key: string) => (event: KeyboardEvent) =>
  !event.ctrlKey && !event.metaKey && !event.altKey && event.key.toLowerCase() === key;
/** The views are numbered as their tabs stand; two have their letter as well. */
const either = (key: string, letter: string) => (event: KeyboardEvent) => plain(key)(event) || plain(letter)(event);
const withControl = (key: string, shift: boolean) => (event: KeyboardEvent) =>
  (event.ctrlKey || event.metaKey) && !event.altKey && event.shiftKey === shift && event.key.toLowerCase() === key;

function selectNeighbour(step: number): void {
  const { history, selectedId, selectVariant } = studio.getState();
  const ids = history?.present.ids ?? [];
  const next = ids[ids.indexOf(selectedId ?? '') + step];
  if (next) selectVariant(next);
}

const toView = (view: string) => () => studio.getState().setView(view);
const toPanel = (panel: 'search' | 'help' | 'palette' | 'projects' | 'about') => () =>
  studio.getState().openPanel(panel);

export const shortcuts: readonly Shortcut[] = [
  {
    keys: ['Ctrl', 'K'],
    does: 'All commands',
    group: 'Page',
    words: 'palette actions',
    matches: withControl('k', false),
    inFields: true,
    run: toPanel('palette'),
  },
  {
    keys: ['R'],
    does: 'Run all variants',
    group: 'Run',
    words: 'measure start again',
    matches: plain('r'),
    blocked: needsFreeHands,
    run: () => void runNeeded(),
  },
  {
    keys: ['Esc'],
    does: 'Cancel what is running',
    group: 'Run',
    words: 'stop abort',
    matches: (event) => event.key === 'Escape' && studio.getState().panel === null,
    blocked: ({ job, opening }) => (job || opening ? null : 'Nothing is running.'),
    run: cancelJob,
  },
  {
    keys: ['B'],
    does: 'Find the best recipe',
    group: 'Run',
    words: 'search automatic',
    matches: plain('b'),
    blocked: needsModel,
    run: toPanel('search'),
  },
  {
    keys: ['O'],
    does: 'Open files',
    group: 'Open',
    words: 'browse load onnx',
    matches: plain('o'),
    run: () => void chooseFiles(),
  },
  {
    keys: ['M'],
    does: 'Projects',
    group: 'Open',
    words: 'my models stored import export zip storage delete rename duplicate',
    matches: plain('m'),
    run: toPanel('projects'),
  },
  {
    keys: ['['],
    does: 'Select the previous variant',
    group: 'Variant',
    matches: plain('['),
    blocked: needsModel,
    run: () => selectNeighbour(-1),
  },
  {
    keys: [']'],
    does: 'Select the next variant',
    group: 'Variant',
    matches: plain(']'),
    blocked: needsModel,
    run: () => selectNeighbour(1),
  },
  {
    keys: ['1'],
    does: 'Side by side',
    group: 'View',
    words: 'charts memory latency accuracy',
    matches: plain('1'),
    blocked: needsModel,
    run: toView('charts'),
  },
  {
    keys: ['2'],
    does: 'Pareto',
    group: 'View',
    words: 'trade-off',
    matches: plain('2'),
    blocked: needsModel,
    run: toView('pareto'),
  },
  {
    keys: ['3'],
    does: 'Details of the selected variant',
    group: 'View',
    words: 'steps ledger',
    matches: plain('3'),
    blocked: needsModel,
    run: toView('details'),
  },
  {
    keys: ['4'],
    does: 'Layers: error, sensitivity, calibration',
    group: 'View',
    matches: plain('4'),
    blocked: needsModel,
    run: toView('layers'),
  },
  {
    keys: ['5'],
    does: 'Graph',
    group: 'View',
    words: 'nodes g',
    matches: either('5', 'g'),
    blocked: needsModel,
    run: toView('graph'),
  },
  {
    keys: ['6'],
    does: 'Diff',
    group: 'View',
    words: 'changes d',
    matches: either('6', 'd'),
    blocked: needsModel,
    run: toView('diff'),
  },
  {
    keys: ['7'],
    does: 'Profile: time of each node, roofline',
    group: 'View',
    matches: plain('7'),
    blocked: needsModel,
    run: toView('profile'),
  },
  {
    keys: ['P'],
    does: 'Present to a room',
    group: 'View',
    words: 'full screen slides share stakeholder',
    matches: plain('p'),
    blocked: presentProblem,
    run: openPresentation,
  },
  {
    keys: ['Ctrl', 'Z'],
    does: 'Undo',
    group: 'Setup',
    matches: withControl('z', false),
    blocked: ({ history }) => (history?.past.length ? null : 'There is nothing to undo.'),
    run: () => studio.getState().undo(),
  },
  {
    keys: ['Ctrl', 'Shift', 'Z'],
    does: 'Redo',
    group: 'Setup',
    matches: (event) => withControl('z', true)(event) || withControl('y', false)(event),
    blocked: ({ history }) => (history?.future.length ? null : 'There is nothing to redo.'),
    run: () => studio.getState().redo(),
  },
  {
    keys: ['Ctrl', 'S'],
    does: 'Download the report',
    group: 'Download',
    words: 'save export json',
    matches: withControl('s', false),
    inFields: true,
    blocked: needsReport,
    run: () => void downloadReport(),
  },
  {
    keys: ['Ctrl', 'Shift', 'L'],
    does: 'Copy link',
    group: 'Download',
    words: 'share url address',
    matches: withControl('l', true),
    inFields: true,
    blocked: needsModel,
    run: () => void copyLink(),
  },
  {
    keys: ['A'],
    does: 'About and privacy',
    group: 'Page',
    words: 'telemetry network requests storage offline policy csp version licence',
    matches: plain('a'),
    run: toPanel('about'),
  },
  {
    keys: ['?'],
    does: 'Help and keyboard',
    group: 'Page',
    words: 'keyboard shortcuts',
    matches: plain('?'),
    run: toPanel('help'),
  },
];

/** True where a key press is text: fields, and anything editable. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement)
    return true;
  return target instanceof HTMLInputElement && !['checkbox', 'radio', 'button', 'range'].includes(target.type);
}

/** A dialog or menu has the keyboard to itself: nothing may happen to the page beneath it. */
function isAbovePage(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('[role=dialog], [role=menu], [role=listbox]') !== null;
}

/** @returns a function that stops listening */
export function listenToKeys(): () => void {
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.defaultPrevented) return;
    const presenting = studio.getState().panel === 'present';
    const elsewhere = presenting || isTyping(event.target) || isAbovePage(event.target);
    const shortcut = shortcuts.find((candidate) => candidate.matches(event) && (!elsewhere || candidate.inFields));
    if (!shortcut) return;
    const why = shortcut.blocked?.(studio.getState()) ?? null;
    if (event.key !== 'Escape') event.preventDefault();
    if (why === null) shortcut.run();
    // Who presses two keys at once means it; a single key may be a slip.
    else if (shortcut.keys.length > 1) notify({ level: 'info', text: why });
  };
  addEventListener('keydown', onKeyDown);
  return () => removeEventListener('keydown', onKeyDown);
}
