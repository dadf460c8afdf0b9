import { ChevronsDownUp, ChevronsUpDown, X } from 'lucide-react';
import { useMemo } from 'react';
import type { GraphScope } from '../../core/graph-view/document.ts';
import { summarize } from '../../core/graph-view/grouping.ts';
import { Button } from '../components/Button.tsx';
import { formatBytes, formatCompact, formatCount } from '../format.ts';
import { type ColourMode, together } from './colour-modes.ts';
import styles from './graph.module.css';
import { Fact } from './NodePanel.tsx';

interface GroupPanelProps {
  readonly scope: GraphScope;
  readonly group: number;
  readonly isOpen: boolean;
  readonly modes: readonly ColourMode[];
  readonly onToggle: () => void;
  readonly onClose: () => void;
}

const KINDS = {
  repeat: 'Equal blocks',
  instance: 'One of equal blocks',
  scope: 'Group by name',
  part: 'Part',
} as const;

/** What a group holds, added up. */
export function GroupPanel({ scope, group: index, isOpen, modes, onToggle, onClose }: GroupPanelProps) {
  const group = scope.groups[index]!;
  const nodes = useMemo(() => membersOf(scope, index), [scope, index]);
  const sum = (of: (node: (typeof nodes)[number]) => number | null) => {
    const known = nodes.map(of);
    return known.includes(null) ? null : known.reduce<number>((total, value) => total + (value ?? 0), 0);
  };
  const macs = sum((node) => node.macs);
  const weights = nodes.reduce(
    (total, node) => total + node.weights.reduce((bytes, weight) => bytes + weight.bytes, 0),
    0,
  );
  const figures = modes.filter(({ kind, id }) => kind === 'amount' && !['macs', 'bytes', 'weights'].includes(id));
  return (
    <aside className={styles.panel} aria-label={`Group ${group.title}`}>
      <header className={styles.panelHead}>
        <h3>{group.title}</h3>
        <Button icon look="quiet" aria-label="Close this panel" onClick={onClose}>
          <X size={15} />
        </Button>
      </header>
      <Button onClick={onToggle}>
        {isOpen ? <ChevronsDownUp size={15} aria-hidden /> : <ChevronsUpDown size={15} aria-hidden />}
        {isOpen ? 'Close the group' : 'Open the group'}
      </Button>
      <dl className={styles.facts}>
        <Fact term="Kind" value={KINDS[group.kind]} />
        {group.kind === 'repeat' && (
          <Fact
            term="Blocks"
            value={`${group.instances} of ${formatCount(group.nodes / group.instances)} nodes each`}
          />
        )}
        <Fact term="Nodes" value={formatCount(group.nodes)} />
        <Fact
          term="Operators"
          value={summarize(
            nodes.map(({ op }) => op),
            12,
          )}
        />
        <Fact term="MACs" value={macs === null ? 'unknown: a size is not known' : formatCompact(macs)} />
        <Fact term="Weights" value={formatBytes(weights)} />
        {figures.map((mode) => {
          const value = together(nodes.map(mode.amountOf), mode.combine);
          return <Fact key={mode.id} term={mode.title} value={value === undefined ? '' : mode.format(value)} />;
        })}
        <Fact term="Place" value={group.path} />
      </dl>
    </aside>
  );
}

function membersOf({ nodes, groups, groupOf }: GraphScope, index: number) {
  const isInside = new Uint8Array(groups.length);
  isInside[index] = 1;
  // Parents come before their children.
  for (let at = index + 1; at < groups.length; at += 1)
    if (groups[at]!.parent >= 0) isInside[at] = isInside[groups[at]!.parent]!;
  return nodes.filter((_, node) => groupOf[node]! >= 0 && isInside[groupOf[node]!] === 1);
}
