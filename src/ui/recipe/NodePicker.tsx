import { ListPlus } from 'lucide-react';
import { useDeferredValue, useEffect, useId, useState } from 'react';
import { toErrorRecord } from '../../core/base/errors/index.ts';
import type { NodeFact } from '../../core/recipe/node-facts.ts';
import type { Recipe } from '../../core/recipe/schema.ts';
import { nodesOf } from '../../state/actions/nodes.ts';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { Modal } from '../components/Modal.tsx';
import { ErrorNote } from '../components/Note.tsx';
import { formatCompact, formatCount, plural } from '../format.ts';
import styles from './picker.module.css';

/** More rows than these nobody reads; the filter finds the rest. */
const SHOWN = 150;

interface NodePickerProps {
  /** Of the field that the names go into. */
  readonly title: string;
  readonly recipe: Recipe;
  readonly taken: readonly string[];
  /** For lists of "name=choice": what may be chosen. */
  readonly choices?: readonly string[];
  readonly onAdd: (entries: readonly string[]) => void;
}

/** Names of nodes, to be ticked instead of typed. */
export function NodePicker(props: NodePickerProps) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button look="quiet" className={styles.open ?? ''} onClick={() => setOpen(true)}>
        <ListPlus size={14} aria-hidden /> Pick
        <span className="visually-hidden"> nodes for {props.title}</span>
      </Button>
      <Modal open={open} onClose={() => setOpen(false)} title={`Pick nodes: ${props.title}`}>
        {open && <PickerBody {...props} onDone={() => setOpen(false)} />}
      </Modal>
    </>
  );
}

function PickerBody({ recipe, taken, choices, onAdd, onDone }: NodePickerProps & { readonly onDone: () => void }) {
  const { nodes, error } = useNodes(recipe);
  const [filter, setFilter] = useState('');
  const [weightsOnly, setWeightsOnly] = useState(true);
  const [choice, setChoice] = useState(choices?.[0] ?? '');
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const id = useId();
  const wanted = useDeferredValue(filter).trim().toLowerCase();
  if (error) return <ErrorNote error={error} />;
  if (!nodes) return <p className={controls.hint}>Reading the graph …</p>;
  const matching = nodes.filter(
    ({ name, opType, parameters }) =>
      (!weightsOnly || parameters > 0) && (wanted === '' || `${name} ${opType}`.toLowerCase().includes(wanted)),
  );
  const toggle = (name: string) => {
    const next = new Set(picked);
    if (!next.delete(name)) next.add(name);
    setPicked(next);
  };
  const add = () => {
    onAdd([...picked].map((name) => (choice === '' ? name : `${name}=${choice}`)));
    onDone();
  };
  return (
    <div className={styles.picker}>
      <div className={styles.filters}>
        <div className={controls.field}>
          <label className={controls.label} htmlFor={`${id}-filter`}>
            Filter by name or operator
          </label>
          <input
            id={`${id}-filter`}
            className={controls.input}
            value={filter}
            spellCheck={false}
            onChange={(event) => setFilter(event.target.value)}
          />
        </div>
        <label className={controls.check}>
          <input type="checkbox" checked={weightsOnly} onChange={(event) => setWeightsOnly(event.target.checked)} />
          <span>Only nodes with weights</span>
        </label>
      </div>
      <ul className={styles.nodes} aria-label="Nodes">
        {matching.slice(0, SHOWN).map(({ name, opType, parameters }) => (
          <li key={name}>
            <label className={controls.check}>
              <input
                type="checkbox"
                checked={picked.has(name)}
                disabled={taken.some((entry) => entry === name)}
                onChange={() => toggle(name)}
              />
              <span className={styles.node}>
                <span className={styles.name}>{name}</span>
                <span className={controls.hint}>
                  {opType}
                  {parameters > 0 && `, ${formatCompact(parameters)} weights`}
                </span>
              </span>
            </label>
          </li>
        ))}
      </ul>
      <p className={controls.hint} aria-live="polite">
        {matching.length > SHOWN
          ? `${SHOWN} of ${formatCount(matching.length)} nodes shown: narrow the filter to see others.`
          : plural(matching.length, 'node')}
      </p>
      <div className={styles.foot}>
        {choices && (
          <label className={styles.choice}>
            <span className={controls.label}>Each gets</span>
            <select className={controls.select} value={choice} onChange={(event) => setChoice(event.target.value)}>
              {choices.map((each) => (
                <option key={each} value={each}>
                  {each === 'keep' ? 'keep (floating point)' : /^\d+$/.test(each) ? `${each} bits` : each}
                </option>
              ))}
            </select>
          </label>
        )}
        <Button look="primary" disabled={picked.size === 0} onClick={add}>
          {picked.size === 0 ? 'Add' : `Add ${plural(picked.size, 'node')}`}
        </Button>
      </div>
    </div>
  );
}

/** @returns null until the worker has answered */
function useNodes(recipe: Recipe) {
  const [nodes, setNodes] = useState<readonly NodeFact[] | null>(null);
  const [error, setError] = useState<ReturnType<typeof toErrorRecord> | null>(null);
  useEffect(() => {
    let wanted = true;
    nodesOf(recipe).then(
      (found) => wanted && setNodes(uniqueNames(found)),
      (problem: unknown) => wanted && setError(toErrorRecord(problem)),
    );
    return () => {
      wanted = false;
    };
  }, [recipe]);
  return { nodes, error };
}

/** A pattern cannot tell nodes of the same name apart. */
function uniqueNames(nodes: readonly NodeFact[]): NodeFact[] {
  return [...new Map(nodes.map((node) => [node.name, node])).values()];
}
