/**
 * Commands that depend on what is open. A command with a key belongs into keys.ts instead. To add one: append it to the
 * source it fits, or a source to `sources`; a menu's entries come in through `fromActions`, so they are written once.
 */
import { MAX_VARIANTS } from '../../core/study/schema.ts';
import { handoversOf, saveHandover } from '../../state/actions/handover.ts';
import { openSample, reloadForUpdate } from '../../state/actions/lazy.ts';
import { chooseFolder } from '../../state/actions/start.ts';
import { addFastest, addVariant } from '../../state/actions/variants.ts';
import { selectFastest } from '../../state/fastest.ts';
import { presetGroups } from '../../state/preset-groups.ts';
import { selectComparison } from '../../state/rows.ts';
import { type StudioState, studio } from '../../state/store.ts';
import { TARGET_CHOICES, whyNotHere, withTarget } from '../../state/targets.ts';
import { formatBytes } from '../format.ts';
import { downloadActions, reportActions } from '../header/download-actions.tsx';
import { modelActions } from '../header/model-actions.tsx';
import { THEMES } from '../header/themes.tsx';
import { shortcuts } from '../keys.ts';
import { cardActions } from '../variants/card-actions.tsx';
import { type Command, fromActions, needsReport } from './command.ts';

type Source = (state: StudioState) => readonly Command[];

const toPanel = (panel: Parameters<StudioState['openPanel']>[0]) => () => studio.getState().openPanel(panel);

function openCommands({ samples, opening, model }: StudioState): Command[] {
  const busy = () => (opening ? 'A model is being opened.' : null);
  return [
    { does: 'Open a folder', group: 'Open', words: 'browse load onnx data', run: () => void chooseFolder() },
    ...(model
      ? fromActions('Open', modelActions(), ({ label }) => label)
      : [
          {
            does: 'Open from Hugging Face …',
            group: 'Open',
            words: 'hub repository download',
            blocked: busy,
            run: () => studio.getState().openHub(''),
          } satisfies Command,
        ]),
    ...(samples ?? []).map(
      (sample): Command => ({
        does: `Open sample: ${sample.title}`,
        group: 'Open',
        hint: `${sample.story} ${formatBytes(sample.modelBytes)} to load.`,
        blocked: busy,
        run: () => void openSample(sample),
      }),
    ),
  ];
}

function variantCommands(state: StudioState): Command[] {
  const { rows } = selectComparison(state);
  const selected = rows.find(({ id }) => id === state.selectedId);
  const menu = selected ? cardActions(selected, rows.length, rows.length >= MAX_VARIANTS, () => {}) : [];
  return [
    ...rows
      .filter(({ id }) => id !== state.selectedId)
      .map(
        ({ id, letter, name }): Command => ({
          does: `Select ${letter}: ${name}`,
          group: 'Variant',
          run: () => studio.getState().selectVariant(id),
        }),
      ),
    // Renaming happens in the card; the files are under Download.
    ...fromActions(
      'Variant',
      menu.filter(({ key }) => ['duplicate', 'left', 'right', 'layers', 'delete'].includes(key)),
      ({ label }) => `${label}: ${selected?.name}`,
    ),
  ];
}

function addCommands(state: StudioState): Command[] {
  if (!state.model) return [];
  const fastest = selectFastest(state);
  const full = ({ history }: StudioState) =>
    history && history.present.ids.length >= MAX_VARIANTS ? `There are ${MAX_VARIANTS} variants already.` : null;
  const guess: Command[] = fastest
    ? [
        {
          does: 'Add variant: Fastest here',
          group: 'Add',
          hint: `A guess before measuring: ${fastest.reason}.`,
          blocked: full,
          run: () => addFastest(fastest),
        },
      ]
    : [];
  const presets = presetGroups().flatMap(({ title: band, presets: members }) =>
    members.map(
      ({ title, description, recipe }): Command => ({
        does: `Add variant: ${title}`,
        group: 'Add',
        hint: description,
        words: `preset ${band}`,
        blocked: full,
        run: () => void addVariant(recipe),
      }),
    ),
  );
  return [...guess, ...presets];
}

function downloadCommands(state: StudioState): Command[] {
  const { rows } = selectComparison(state);
  const selected = rows.find(({ id }) => id === state.selectedId);
  const files = fromActions('Download', downloadActions(selected), ({ key, label }) =>
    key === 'model'
      ? `Download ${label.replace(/^M/, 'm')}`
      : key === 'recipe'
        ? `Download recipe: ${selected?.name}`
        : label,
  );
  const reports = fromActions('Download', reportActions(), ({ label }) => `Download the report: ${label}`);
  const handovers = selected ? handoversOf(selected.id).all : [];
  return [
    ...files,
    ...reports.map((command) => ({ ...command, blocked: needsReport })),
    ...handovers
      .filter(({ format }) => format !== 'whittle')
      .map(
        (handover): Command => ({
          does: `Hand over to ${handover.title}`,
          group: 'Download',
          hint: `${handover.fileName}, ${handover.fit === 'exact' ? 'means the same there' : 'close, with notes in it'}`,
          blocked: () => (handover.fit === 'none' ? 'This tool has no counterpart of the recipe.' : null),
          run: () => void saveHandover(handover),
        }),
      ),
  ];
}

const GATES = [0.005, 0.01, 0.02, 0.05] as const;

function setupCommands({ history, capabilities }: StudioState): Command[] {
  if (!history) return [];
  const { targets, gate } = history.present.study;
  const toggles = TARGET_CHOICES.map(({ provider, title, about }): Command => {
    const on = targets.some((target) => target.provider === provider);
    const missing = whyNotHere(provider, capabilities);
    return {
      does: on ? `Do not run on ${title}` : `Run on ${title}`,
      group: 'Setup',
      hint: about,
      words: 'target execution provider',
      blocked: () =>
        on ? (targets.length === 1 ? 'One target is needed.' : null) : missing ? `Not here: ${missing}.` : null,
      run: () => studio.getState().setTargets(withTarget(targets, provider, !on)),
    };
  });
  return [
    { does: 'Choose the task', group: 'Setup', words: 'data metric samples', run: toPanel('task') },
    { does: 'Choose targets', group: 'Setup', words: 'wasm webgpu threads', run: toPanel('targets') },
    { does: 'Edit the gate', group: 'Setup', words: 'limit accuracy verdict', run: toPanel('gate') },
    ...toggles,
    ...GATES.map(
      (maxWorse): Command => ({
        does: `Gate: at most ${maxWorse * 100} % worse`,
        group: 'Setup',
        hint: 'of the original’s value',
        blocked: () => (gate.mode === 'relative' && gate.maxWorse === maxWorse ? 'It is so already.' : null),
        run: () => studio.getState().setGate({ ...gate, mode: 'relative', maxWorse }),
      }),
    ),
  ];
}

function pageCommands({ theme, updateReady }: StudioState): Command[] {
  const themes = THEMES.map(
    ({ value, label }): Command => ({
      does: `Theme: ${label.toLowerCase()}`,
      group: 'Page',
      words: 'colours appearance mode',
      blocked: () => (value === theme ? 'It is so already.' : null),
      run: () => studio.getState().setTheme(value),
    }),
  );
  if (!updateReady) return themes;
  const update: Command = {
    does: 'Reload into the new version',
    group: 'Page',
    hint: 'What is open is written down first.',
    words: 'update',
    blocked: ({ job, opening }) => (job || opening ? 'Something is running: cancel it first.' : null),
    run: () => void reloadForUpdate(),
  };
  return [update, ...themes];
}

export const sources: readonly Source[] = [
  () => shortcuts,
  openCommands,
  variantCommands,
  addCommands,
  downloadCommands,
  setupCommands,
  pageCommands,
];

/** Everything that can be done, in the order in which it is listed before anything is typed. */
export function allCommands(state: StudioState): Command[] {
  const all = sources.flatMap((source) => source(state));
  // Opening the palette from the palette says nothing.
  return all.filter(({ does }) => does !== 'All commands').sort((a, b) => isBlocked(a, state) - isBlocked(b, state));
}

const isBlocked = (command: Command, state: StudioState) => Number((command.blocked?.(state) ?? null) !== null);
