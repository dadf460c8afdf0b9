import { Copy, Download, Ellipsis, Pencil, Trash2 } from 'lucide-react';
import { useState } from 'react';
import type { ProjectEntry, ProjectSize } from '../../services/projects.ts';
import { exportProject } from '../../state/actions/project-files.ts';
import { deleteProject, duplicateProject, openStored, renameProject } from '../../state/actions/projects.ts';
import { useStudio } from '../../state/use-studio.ts';
import { ActionMenu } from '../components/ActionMenu.tsx';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { formatBytes, plural } from '../format.ts';
import styles from './projects.module.css';

interface ProjectRowProps {
  readonly entry: ProjectEntry;
  readonly size?: ProjectSize | undefined;
  /** By its id among those that tabs have open. */
  readonly elsewhere?: boolean;
}

/** One project: its name opens it, the menu holds the rest. */
export function ProjectRow({ entry, size, elsewhere = false }: ProjectRowProps) {
  const [renaming, setRenaming] = useState(false);
  const isOpen = useStudio((state) => state.project?.id === entry.id);
  const current = useStudio((state) => (isOpen ? state.history?.present : undefined));
  const busy = useStudio((state) => state.opening !== null);
  const name = current?.name || entry.name;
  const variants = current?.ids.length ?? entry.variants;
  return (
    <li className={styles.row} data-project={entry.id}>
      <div className={styles.what}>
        {renaming ? (
          <NameField
            name={name}
            onDone={(next) => {
              setRenaming(false);
              if (next !== null) void renameProject(entry.id, next);
            }}
          />
        ) : (
          <button
            type="button"
            className={styles.name}
            disabled={busy || isOpen}
            onClick={() => void openStored(entry.id)}
          >
            {name}
          </button>
        )}
        <span className={styles.facts}>
          {name !== entry.model.name && <span>{entry.model.name}</span>}
          <span>{plural(variants, 'variant')}</span>
          <time dateTime={entry.changed}>{isOpen ? 'open here' : whenText(entry.changed)}</time>
          {elsewhere && !isOpen && <span>open in another tab</span>}
          {size && <span>{sizeText(size)}</span>}
        </span>
      </div>
      <ActionMenu
        trigger={
          <Button look="quiet" icon aria-label={`Actions for project ${name}`}>
            <Ellipsis size={16} />
          </Button>
        }
        actions={[
          { key: 'rename', label: 'Rename', icon: <Pencil size={15} />, run: () => setRenaming(true) },
          {
            key: 'duplicate',
            label: 'Duplicate',
            hint: 'shares the model’s bytes',
            icon: <Copy size={15} />,
            run: () => void duplicateProject(entry.id),
          },
          {
            key: 'export',
            label: 'Export as zip',
            hint: 'model, settings, results and your data',
            icon: <Download size={15} />,
            run: () => void exportProject(entry.id),
          },
          {
            key: 'delete',
            label: 'Delete',
            icon: <Trash2 size={15} />,
            danger: true,
            separated: true,
            disabled: elsewhere && !isOpen,
            run: () => void deleteProject(entry.id),
          },
        ]}
      />
    </li>
  );
}

interface NameFieldProps {
  readonly name: string;
  /** null: as it was. */
  readonly onDone: (name: string | null) => void;
}

function NameField({ name, onDone }: NameFieldProps) {
  const [draft, setDraft] = useState(name);
  return (
    <input
      className={`${controls.input} ${styles.nameField}`}
      aria-label="Name of the project"
      value={draft}
      maxLength={120}
      // biome-ignore lint/a11y/noAutofocus: it takes the place of what was chosen in the menu
      autoFocus
      onFocus={(event) => event.target.select()}
      onChange={(event) => setDraft(event.target.value)}
      onBlur={() => onDone(draft)}
      onKeyDown={(event) => {
        if (event.key === 'Enter') onDone(draft);
        if (event.key === 'Escape') {
          // Ends the renaming, not the dialog around it.
          event.stopPropagation();
          onDone(null);
        }
      }}
    />
  );
}

function sizeText({ modelBytes, sharedWith, recordBytes }: ProjectSize): string {
  const shared = sharedWith > 0 ? ` shared with ${sharedWith === 1 ? 'another' : `${sharedWith} others`}` : '';
  return `${formatBytes(modelBytes)} model${shared} + ${formatBytes(recordBytes)}`;
}

const STEPS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const;

/** "5 minutes ago" */
export function whenText(iso: string, now = Date.now()): string {
  const passed = now - Date.parse(iso);
  for (const [unit, ms] of STEPS) if (passed >= ms) return `${plural(Math.floor(passed / ms), unit)} ago`;
  return 'just now';
}
