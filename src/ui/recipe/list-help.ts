/** What helps to fill in a list, by what its entries are. */
import type { ListProblems } from './ListField.tsx';

interface ListHelp {
  readonly placeholder: string;
  /** Entries begin with names of nodes, so they can be picked. */
  readonly nodes: boolean;
  /** What may follow "name=", where the entries have this form. */
  readonly choices?: readonly string[];
}

const NODE_LISTS: ReadonlySet<string> = new Set(['include', 'exclude', 'nodeBlockList', 'nodes']);
const CHOICES = ['keep', '8', '6', '5', '4', '3', '2'];

/** @param key of the parameter; steps use the same keys for the same things */
export function listHelp(key: string, problemsOf: (lines: readonly string[]) => ListProblems): ListHelp {
  if (NODE_LISTS.has(key)) return { placeholder: 'Add a name or pattern with *', nodes: true };
  if (key === 'overrides') {
    const wrong = problemsOf(CHOICES.map((choice) => `name=${choice}`)).byIndex;
    return { placeholder: '*/v_proj/*=8', nodes: true, choices: CHOICES.filter((_, index) => !wrong.has(index)) };
  }
  if (key === 'ranges') return { placeholder: 'tensor=-1.5..6', nodes: false };
  return { placeholder: 'Add a line', nodes: false };
}
