import { Workflow, X } from 'lucide-react';
import { useMemo, useState } from 'react';
import type { ProfileNode } from '../../core/profile/types.ts';
import {
  type ComparedNode,
  type ComparedOp,
  operatorText,
  type TimeDifference,
} from '../../core/study/profile-compare.ts';
import { studio } from '../../state/store.ts';
import { Button } from '../components/Button.tsx';
import { Segmented } from '../components/Segmented.tsx';
import { type Column, SortableTable } from '../components/SortableTable.tsx';
import { formatMicroseconds, formatPercent } from '../format.ts';
import styles from './profile.module.css';
import { isSelected, type NamedProfile, nodeRows, opRows, originText, selectionOf } from './profile-data.ts';

interface TablesProps {
  readonly profiles: readonly NamedProfile[];
  /** By all names of it. */
  readonly selected: ReadonlySet<string>;
  readonly onSelect: (node: string | null) => void;
}

type Kind = 'nodes' | 'operators';

/** The twin of the treemap: every node and every operator with its figures. */
export function ProfileTables({ profiles, selected, onSelect }: TablesProps) {
  const [kind, setKind] = useState<Kind>('nodes');
  const [onlyOp, setOnlyOp] = useState<string | null>(null);
  const nodes = useMemo(() => nodeRows(profiles), [profiles]);
  const ops = useMemo(() => opRows(profiles), [profiles]);
  const shownNodes = useMemo(() => rowsToShow(nodes, onlyOp, selected), [nodes, onlyOp, selected]);
  const nodeColumns = useMemo(() => columnsOfNodes(profiles, onSelect), [profiles, onSelect]);
  const opColumns = useMemo(
    () =>
      columnsOfOps(profiles, (opType) => {
        setOnlyOp(opType);
        setKind('nodes');
      }),
    [profiles],
  );
  const selectedRow = nodes.find((row) => isRowSelected(row, selected))?.id ?? null;
  return (
    <div className={styles.block}>
      <div className={styles.bar}>
        <Segmented
          label="Rows of the table"
          value={kind}
          options={[
            { value: 'nodes', label: 'By node' },
            { value: 'operators', label: 'By operator' },
          ]}
          onChange={setKind}
        />
        <ShowInGraph profiles={profiles} selected={selected} />
        {kind === 'nodes' && onlyOp && (
          <Button onClick={() => setOnlyOp(null)} aria-label={`Show all operators, not only ${onlyOp}`}>
            Only {onlyOp} <X size={14} aria-hidden />
          </Button>
        )}
      </div>
      {kind === 'nodes' ? (
        <SortableTable
          caption={`Time by node. ${noiseText(profiles)}`}
          columns={nodeColumns}
          rows={shownNodes}
          rowKey={({ id }) => id}
          selectedKey={selectedRow}
          selectedFirst
          start={{ key: 'O', direction: 'descending' }}
          limit={50}
        />
      ) : (
        <SortableTable
          caption={`Time by operator. ${noiseText(profiles)}`}
          columns={opColumns}
          rows={ops}
          rowKey={({ opType }) => opType}
          start={{ key: 'O', direction: 'descending' }}
          limit={50}
        />
      )}
    </div>
  );
}

/** The graph is the selected variant's, where the node may go by another name. */
function ShowInGraph({ profiles, selected }: Pick<TablesProps, 'profiles' | 'selected'>) {
  const shown = profiles.at(-1)?.value.profile.nodes.find((node) => isSelected(node, selected));
  const [name] = shown?.fileNodes ?? [];
  if (name === undefined) return null;
  return (
    <Button onClick={() => studio.getState().showInGraph(name)}>
      <Workflow size={14} aria-hidden /> Show in graph
    </Button>
  );
}

const noiseText = (profiles: readonly NamedProfile[]) =>
  profiles.length > 1
    ? 'A difference is noise below 5 % and 2 µs, or where the runs of both overlap (Mann-Whitney, 1 %).'
    : 'Median, and what lies between the 5th and the 95th percentile of the runs.';

const isRowSelected = ({ original, variants }: ComparedNode, selected: ReadonlySet<string>) =>
  [original, ...variants].some((node) => node !== null && isSelected(node, selected));

function rowsToShow(rows: readonly ComparedNode[], onlyOp: string | null, selected: ReadonlySet<string>) {
  if (onlyOp === null) return rows;
  return rows.filter(
    (row) =>
      row.original?.opType === onlyOp ||
      row.variants.some(({ opType }) => opType === onlyOp) ||
      isRowSelected(row, selected),
  );
}

const anyNode = ({ original, variants }: ComparedNode): ProfileNode => (original ?? variants[0])!;

function columnsOfNodes(profiles: readonly NamedProfile[], onSelect: TablesProps['onSelect']): Column<ComparedNode>[] {
  const isPair = profiles.length > 1;
  const onGpu = profiles.some(({ value }) => value.profile.dispatchUs !== null);
  const columns: Column<ComparedNode>[] = [
    {
      key: 'node',
      title: 'Node',
      value: (row) => anyNode(row).name,
      draw: (row) => {
        const node = anyNode(row);
        return (
          <button
            type="button"
            className={styles.rowButton}
            title={node.name}
            onClick={() => onSelect(selectionOf(node))}
          >
            {node.name}
          </button>
        );
      },
    },
    { key: 'op', title: 'Operator', value: operatorText, draw: operatorText },
    ...timeColumns<ComparedNode>(profiles),
  ];
  if (!isPair) columns.push(spreadColumn(), shareColumn());
  columns.push({
    key: 'from',
    title: 'From',
    value: (row) => originText(anyNode(row)),
    draw: (row) => <span className={styles.from}>{originText(row.variants[0] ?? anyNode(row))}</span>,
  });
  if (onGpu) columns.push(providerColumn(), dispatchColumn());
  return columns;
}

function columnsOfOps(profiles: readonly NamedProfile[], onOp: (opType: string) => void): Column<ComparedOp>[] {
  const counts = ({ original, variant }: ComparedOp) =>
    profiles.length > 1 ? `${original?.nodes ?? 0} → ${variant?.nodes ?? 0}` : String(original?.nodes ?? 0);
  const columns: Column<ComparedOp>[] = [
    {
      key: 'op',
      title: 'Operator',
      value: ({ opType }) => opType,
      draw: ({ opType }) => (
        <button type="button" className={styles.rowButton} title={`Show ${opType} nodes`} onClick={() => onOp(opType)}>
          {opType}
        </button>
      ),
    },
    {
      key: 'nodes',
      title: 'Nodes',
      value: ({ original, variant }) => (original?.nodes ?? 0) + (variant?.nodes ?? 0),
      draw: counts,
      isNumber: true,
    },
    ...timeColumns<ComparedOp>(profiles),
  ];
  if (profiles.length === 1) columns.push(spreadColumn(), shareColumn());
  return columns;
}

interface TimedRow {
  readonly original: TimedCell | null;
  readonly variant: TimedCell | null;
  readonly difference: TimeDifference;
}

interface TimedCell {
  readonly medianUs: number;
  readonly p5Us?: number;
  readonly p95Us?: number;
  readonly share?: number;
}

function timeColumns<Row extends TimedRow>(profiles: readonly NamedProfile[]): Column<Row>[] {
  const time = (cell: TimedCell | null) => (cell ? formatMicroseconds(cell.medianUs) : '–');
  const columns = profiles.map(
    ({ name, letter }, index): Column<Row> => ({
      key: letter === 'O' ? 'O' : 'V',
      title: profiles.length > 1 ? name : 'Median',
      value: (row) => (index === 0 ? row.original : row.variant)?.medianUs ?? -1,
      draw: (row) => time(index === 0 ? row.original : row.variant),
      isNumber: true,
    }),
  );
  if (profiles.length < 2) return columns;
  const delta = ({ original, variant }: Row) => (variant?.medianUs ?? 0) - (original?.medianUs ?? 0);
  return [
    ...columns,
    {
      key: 'difference',
      title: 'Difference',
      value: delta,
      draw: (row) => `${delta(row) > 0 ? '+' : ''}${formatMicroseconds(delta(row))}`,
      isNumber: true,
      first: 'ascending',
    },
    { key: 'verdict', title: 'Verdict', value: ({ difference }) => difference, draw: ({ difference }) => difference },
  ];
}

function spreadColumn<Row extends TimedRow>(): Column<Row> {
  return {
    key: 'spread',
    title: '5 to 95 %',
    draw: ({ original }) =>
      original ? `${formatMicroseconds(original.p5Us!)} to ${formatMicroseconds(original.p95Us!)}` : '',
    isNumber: true,
  };
}

function shareColumn<Row extends TimedRow>(): Column<Row> {
  return {
    key: 'share',
    title: 'Share',
    value: ({ original }) => original?.share ?? 0,
    draw: ({ original }) => formatPercent(original?.share ?? 0, 1),
    isNumber: true,
  };
}

const providerColumn = (): Column<ComparedNode> => ({
  key: 'provider',
  title: 'Ran on',
  value: (row) => anyNode(row).provider,
  draw: (row) => anyNode(row).provider.replace(/ExecutionProvider$/, ''),
});

const dispatchColumn = (): Column<ComparedNode> => ({
  key: 'dispatch',
  title: 'Handing over',
  value: (row) => anyNode(row).dispatchUs ?? -1,
  draw: (row) => {
    const { dispatchUs } = anyNode(row);
    return dispatchUs === null ? '–' : formatMicroseconds(dispatchUs);
  },
  isNumber: true,
});
