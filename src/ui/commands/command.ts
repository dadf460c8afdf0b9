/** What a command is. `keys.ts` lists those with a key, `sources.ts` those that depend on what is open. */
import type { StudioState } from '../../state/store.ts';
import type { Action } from '../components/ActionMenu.tsx';

export type CommandGroup = 'Run' | 'Open' | 'View' | 'Variant' | 'Add' | 'Download' | 'Setup' | 'Page';

export interface Command {
  /** What it does, in a few words: its name in the palette and in the help, unique. */
  readonly does: string;
  readonly group: CommandGroup;
  readonly hint?: string | undefined;
  /** Further words that find it. */
  readonly words?: string;
  /** As written on keys, `Ctrl` for whichever key the system uses. */
  readonly keys?: readonly string[];
  /** @returns why it cannot be done now, as a sentence; null when it can */
  readonly blocked?: (state: StudioState) => string | null;
  readonly run: () => void;
}

export interface Shortcut extends Command {
  readonly keys: readonly string[];
  readonly matches: (event: KeyboardEvent) => boolean;
  /** Works while typing in a field and above an open dialog too. */
  readonly inFields?: boolean;
}

/** For commands that are about the open model. */
export function needsModel({ model, history }: StudioState): string | null {
  return model && history ? null : 'Open a model first.';
}

/** For commands that start a long action. */
export function needsFreeHands(state: StudioState): string | null {
  return needsModel(state) ?? (state.job || state.opening ? 'Something is running: cancel it first.' : null);
}

/** For what is made of results. */
export function needsReport(state: StudioState): string | null {
  return needsModel(state) ?? (state.report ? null : 'There is no report yet: run once, then download it.');
}

/**
 * The entries of a menu as commands. Those that the menu disables are left out, since it does not say why, and those
 * with a key, since keys.ts has them.
 */
export function fromActions(
  group: CommandGroup,
  actions: readonly Action[],
  name: (action: Action) => string,
): Command[] {
  return actions
    .filter(({ disabled, shortcut }) => !disabled && !shortcut)
    .map((action) => ({ does: name(action), group, hint: action.hint, run: action.run }));
}

const isMac = typeof navigator !== 'undefined' && /mac|iphone|ipad/i.test(navigator.platform);

/** Keys as this system writes them. */
export function shownKeys(keys: readonly string[]): readonly string[] {
  return isMac ? keys.map((key) => ({ Ctrl: '⌘', Shift: '⇧' })[key] ?? key) : keys;
}
