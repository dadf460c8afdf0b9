import { Autocomplete } from '@base-ui/react/autocomplete';
import { Dialog } from '@base-ui/react/dialog';
import { useEffect, useMemo, useState } from 'react';
import { requireSamples } from '../../state/actions/samples.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import controls from '../components/controls.module.css';
import { type Command, shownKeys } from './command.ts';
import styles from './commands.module.css';
import { rank } from './rank.ts';
import { allCommands } from './sources.ts';

/** Everything that can be done, found by typing. */
export default function CommandPalette() {
  const open = useStudio((state) => state.panel === 'palette');
  useEffect(() => {
    // Without the gallery's list its commands are missing; the start page says why.
    if (open) requireSamples().catch(() => {});
  }, [open]);
  return (
    <Dialog.Root open={open} onOpenChange={(next) => !next && studio.getState().openPanel(null)}>
      <Dialog.Portal>
        <Dialog.Backdrop className={controls.backdrop} />
        <Dialog.Popup className={styles.palette} aria-label="All commands">
          <Finder />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

/** Drawing more is slow, and nobody reads further than this. */
const MOST_SHOWN = 60;

/** What was done last, for the next time the palette opens. */
let recent: string[] = [];

function Finder() {
  const [query, setQuery] = useState('');
  const samples = useStudio((state) => state.samples);
  // As of when it was opened: while it is open nothing else is edited. The list of samples may still arrive.
  // biome-ignore lint/correctness/useExhaustiveDependencies: samples are part of the state that is read
  const commands = useMemo(() => recentFirst(allCommands(studio.getState())), [samples]);
  const found = useMemo(() => rank(commands, query).slice(0, MOST_SHOWN), [commands, query]);
  return (
    <Autocomplete.Root
      open
      inline
      items={found}
      filteredItems={found}
      value={query}
      onValueChange={setQuery}
      autoHighlight="always"
      keepHighlight
      itemToStringValue={({ does }: Command) => does}
    >
      <Autocomplete.Input className={styles.input} placeholder="What do you want to do?" aria-label="Find a command" />
      <Autocomplete.Empty className={styles.empty}>
        {found.length === 0 && 'No command has all these words.'}
      </Autocomplete.Empty>
      <Autocomplete.List className={styles.list} aria-label="Commands">
        {(command: Command) => <CommandItem key={command.does} command={command} />}
      </Autocomplete.List>
    </Autocomplete.Root>
  );
}

function CommandItem({ command }: { readonly command: Command }) {
  const { does, group, hint, keys } = command;
  const why = command.blocked?.(studio.getState()) ?? null;
  return (
    <Autocomplete.Item
      value={command}
      className={styles.item}
      disabled={why !== null}
      onClick={() => why === null && perform(command)}
    >
      <span className={styles.group}>{group}</span>
      <span className={styles.name}>
        {does}
        {(why ?? hint) && <span className={styles.hint}>{why ?? hint}</span>}
      </span>
      {keys && (
        <span className={styles.keys}>
          {shownKeys(keys).map((key) => (
            <kbd key={key} className={controls.kbd}>
              {key}
            </kbd>
          ))}
        </span>
      )}
    </Autocomplete.Item>
  );
}

/** The palette goes first, so that a command may open a dialog of its own; file dialogs need the very press. */
function perform(command: Command): void {
  recent = [command.does, ...recent.filter((does) => does !== command.does)].slice(0, 5);
  studio.getState().openPanel(null);
  command.run();
}

function recentFirst(commands: readonly Command[]): Command[] {
  const place = ({ does }: Command) => (recent.indexOf(does) + 1 || recent.length + 1) - 1;
  return commands.toSorted((a, b) => place(a) - place(b));
}
