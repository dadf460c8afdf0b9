import { ArrowDown, ArrowUp } from 'lucide-react';
import { type ReactNode, useMemo, useState } from 'react';
import { formatCount } from '../format.ts';
import { Button } from './Button.tsx';
import styles from './table.module.css';

export interface Column<Row> {
  readonly key: string;
  readonly title: string;
  /** What it is sorted by; columns without it cannot be. */
  readonly value?: (row: Row) => number | string;
  readonly draw: (row: Row) => ReactNode;
  /** Set right, in tabular figures. */
  readonly isNumber?: boolean;
  /** The direction of the first press. */
  readonly first?: 'ascending' | 'descending';
}

interface SortableTableProps<Row> {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  readonly start: Sorting;
  /** One row, or several that belong together. */
  readonly selectedKey?: string | readonly string[] | null;
  /** Selected rows stand first, so that they are seen however the table is sorted and however long it is. */
  readonly selectedFirst?: boolean;
  /** Rows shown before "Show all". */
  readonly limit?: number;
  readonly empty?: string;
}

export interface Sorting {
  readonly key: string;
  readonly direction: 'ascending' | 'descending';
}

/** A table whose column heads sort it. The first column names the row. */
export function SortableTable<Row>(props: SortableTableProps<Row>) {
  const { caption, columns, rows, rowKey, start, selectedKey, selectedFirst, limit = 100 } = props;
  const { empty = 'Nothing matches.' } = props;
  const [sorting, setSorting] = useState(start);
  const [all, setAll] = useState(false);
  const selected = new Set(typeof selectedKey === 'string' ? [selectedKey] : selectedKey);
  const inOrder = useMemo(() => sortRows(rows, columns, sorting), [rows, columns, sorting]);
  const isSelected = (row: Row) => selected.has(rowKey(row));
  const sorted =
    selectedFirst && selected.size > 0
      ? [...inOrder.filter(isSelected), ...inOrder.filter((row) => !isSelected(row))]
      : inOrder;
  const shown = all ? sorted : sorted.slice(0, limit);
  return (
    <div className={styles.block}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section className={styles.scroll} tabIndex={0} aria-label={caption}>
        <table className={styles.table}>
          <caption>{caption}</caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <Head key={column.key} column={column} sorting={sorting} onSort={setSorting} />
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => {
              const key = rowKey(row);
              return (
                <tr key={key} data-selected={selected.has(key) || undefined}>
                  {columns.map((column, index) => {
                    const className = column.isNumber ? styles.number : undefined;
                    return index === 0 ? (
                      <th key={column.key} scope="row" className={className}>
                        {column.draw(row)}
                      </th>
                    ) : (
                      <td key={column.key} className={className}>
                        {column.draw(row)}
                      </td>
                    );
                  })}
                </tr>
              );
            })}
          </tbody>
        </table>
        {rows.length === 0 && <p className={styles.empty}>{empty}</p>}
      </section>
      {sorted.length > shown.length && (
        <p className={styles.more}>
          {formatCount(shown.length)} of {formatCount(sorted.length)} rows.{' '}
          <Button look="quiet" onClick={() => setAll(true)}>
            Show all
          </Button>
        </p>
      )}
    </div>
  );
}

interface HeadProps<Row> {
  readonly column: Column<Row>;
  readonly sorting: Sorting;
  readonly onSort: (sorting: Sorting) => void;
}

function Head<Row>({ column, sorting, onSort }: HeadProps<Row>) {
  const className = column.isNumber ? styles.number : undefined;
  if (!column.value)
    return (
      <th scope="col" className={className}>
        {column.title}
      </th>
    );
  const direction = sorting.key === column.key ? sorting.direction : undefined;
  const Arrow = direction === 'descending' ? ArrowDown : ArrowUp;
  const next = direction
    ? direction === 'ascending'
      ? 'descending'
      : 'ascending'
    : (column.first ?? (column.isNumber ? 'descending' : 'ascending'));
  return (
    <th scope="col" className={className} aria-sort={direction}>
      <button type="button" className={styles.sort} onClick={() => onSort({ key: column.key, direction: next })}>
        {column.title}
        {direction && <Arrow size={12} aria-hidden />}
      </button>
    </th>
  );
}

/** Stable: rows that compare equal keep their order. */
export function sortRows<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { key, direction }: Sorting,
): Row[] {
  const value = columns.find((column) => column.key === key)?.value;
  if (!value) return [...rows];
  const sign = direction === 'ascending' ? 1 : -1;
  return rows
    .map((row) => ({ row, at: value(row) }))
    .sort((a, b) => sign * compare(a.at, b.at))
    .map(({ row }) => row);
}

function compare(a: number | string, b: number | string): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b || 0;
  return String(a).localeCompare(String(b), 'en', { numeric: true });
}
