import { useLayoutEffect, useRef, useState } from 'react';
import type { GraphScope } from '../../core/graph-view/document.ts';
import { formatCompact, formatCount } from '../format.ts';
import { type ColourMode, figureText } from './colour-modes.ts';
import styles from './graph.module.css';

interface NodeTableProps {
  readonly scope: GraphScope;
  /** Indices of nodes to list, in order. */
  readonly nodes: readonly number[];
  readonly selected: number | null;
  readonly mode: ColourMode;
  readonly caption: string;
  readonly onSelect: (node: number) => void;
}

const ROW = 28;
const SPARE_ROWS = 8;

/** The picture as a list, for everyone who prefers one: only the rows in sight are on the page, whatever the number. */
export function NodeTable({ scope, nodes, selected, mode, caption, onSelect }: NodeTableProps) {
  const scroller = useRef<HTMLElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(0);
  useLayoutEffect(() => {
    const element = scroller.current!;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const at = selected === null ? -1 : nodes.indexOf(selected);
  useLayoutEffect(() => {
    const element = scroller.current!;
    if (at < 0) return;
    const y = (at + 1) * ROW;
    if (y < element.scrollTop + ROW || y + ROW > element.scrollTop + element.clientHeight)
      element.scrollTop = y - element.clientHeight / 2;
  }, [at]);
  const first = Math.max(0, Math.floor(top / ROW) - SPARE_ROWS);
  const last = Math.min(nodes.length, Math.ceil((top + height) / ROW) + SPARE_ROWS);
  return (
    <section
      ref={scroller}
      className={styles.tableScroll}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      aria-label={caption}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
    >
      <table className={styles.table} aria-rowcount={nodes.length + 1}>
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          <tr aria-rowindex={1}>
            <th scope="col">Operator</th>
            <th scope="col">Name</th>
            <th scope="col">Output</th>
            <th scope="col">{mode.title}</th>
            <th scope="col">MACs</th>
            <th scope="col">Group</th>
          </tr>
        </thead>
        <tbody>
          {first > 0 && <Spacer rows={first} />}
          {nodes.slice(first, last).map((node, index) => (
            <Row
              key={node}
              scope={scope}
              node={node}
              position={first + index}
              mode={mode}
              isSelected={node === selected}
              onSelect={onSelect}
            />
          ))}
          {last < nodes.length && <Spacer rows={nodes.length - last} />}
        </tbody>
      </table>
      {nodes.length === 0 && <p className={styles.hint}>Nothing matches.</p>}
    </section>
  );
}

function Spacer({ rows }: { readonly rows: number }) {
  return (
    <tr aria-hidden style={{ height: rows * ROW }}>
      <td colSpan={6} />
    </tr>
  );
}

interface RowProps extends Pick<NodeTableProps, 'scope' | 'mode' | 'onSelect'> {
  readonly node: number;
  readonly position: number;
  readonly isSelected: boolean;
}

function Row({ scope, node, position, mode, isSelected, onSelect }: RowProps) {
  const { op, name, types, macs, kind } = scope.nodes[node]!;
  const group = scope.groupOf[node]!;
  return (
    <tr aria-rowindex={position + 2} data-selected={isSelected || undefined} style={{ height: ROW }}>
      <th scope="row">
        <button type="button" className={styles.rowButton} aria-pressed={isSelected} onClick={() => onSelect(node)}>
          {op}
        </button>
      </th>
      <td className={styles.mono} title={name}>
        {name}
      </td>
      <td className={styles.mono}>{types[0] ?? ''}</td>
      <td>{figureText(mode, scope.nodes[node]!)}</td>
      <td className={styles.number}>{macs === null ? '?' : macs === 0 || kind !== 'op' ? '' : formatCompact(macs)}</td>
      <td title={group < 0 ? '' : scope.groups[group]!.path}>{group < 0 ? '' : scope.groups[group]!.title}</td>
    </tr>
  );
}

/** @param ends how many of all are inputs and outputs of the graph, which nobody counts as nodes anywhere else */
export function tableCaption(shown: number, all: number, ends: number): string {
  const rest = ends > 0 ? `, ${formatCount(ends)} inputs and outputs` : '';
  return shown === all
    ? `All ${formatCount(all - ends)} nodes of this graph${rest}`
    : `${formatCount(shown)} of ${formatCount(all)} nodes`;
}
