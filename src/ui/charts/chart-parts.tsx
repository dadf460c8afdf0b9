/** Pieces that the charts share. */
import { cloneElement, type ReactElement, type ReactNode } from 'react';
import type { Comparison } from '../../state/rows.ts';
import { useTurnToDraw } from '../in-turn.ts';
import type { ChartRow } from './chart-data.ts';
import styles from './charts.module.css';

const LABEL_WIDTH = 104;
export const MARGIN = { top: 4, right: 48, bottom: 0, left: 0 };
export const AXIS_TICK = { className: styles.axis } as const;

/** One row a variant: the properties of the YAxis that names them. */
export const variantAxis = (rows: TickProps['rows']) =>
  ({
    type: 'category',
    dataKey: 'id',
    width: LABEL_WIDTH,
    interval: 0,
    tickLine: false,
    axisLine: false,
    tick: (props: Omit<TickProps, 'rows'>) => <VariantTick {...props} rows={rows} />,
  }) as const;

const NO_DATA: readonly never[] = [];

/** Draws a chart empty first and its figures in the next turn: the first drawing runs much code for the first time. */
export function InTwoTurns({ children }: { readonly children: ReactElement<{ data?: readonly unknown[] }> }) {
  return useTurnToDraw() ? children : cloneElement(children, { data: NO_DATA });
}

/** Part of a chart that is drawn in a task of its own, after the axes: all at once takes too long the first time. */
export function InTurn({ children }: { readonly children: ReactNode }) {
  return useTurnToDraw() ? children : null;
}

const LINE_CHARACTERS = 14;
const LINE_PIXELS = 12;

interface TickProps {
  readonly x?: number | string;
  readonly y?: number | string;
  readonly payload?: { readonly value: string };
  readonly rows: readonly ChartRow[];
}

/** "B INT8 per tens…": the letter in bold ties the row to its card. */
function VariantTick({ x = 0, y = 0, payload, rows }: TickProps) {
  const row = rows.find(({ id }) => id === payload?.value);
  if (!row) return null;
  const [short] = wrapName(row.name, LINE_CHARACTERS);
  // Many rows leave no height for a second line.
  const lines = rows.length > 6 ? [short!] : wrapName(row.name, LINE_CHARACTERS);
  const right = Number(x) - 4;
  const top = Number(y) - ((lines.length - 1) * LINE_PIXELS) / 2;
  return (
    <g opacity={row.stale ? 0.55 : 1}>
      <title>{row.name}</title>
      {row.letter !== 'O' && (
        <text x={right - LABEL_WIDTH + 12} y={y} dy="0.35em" className={styles.axisLetter}>
          {row.letter}
        </text>
      )}
      <text textAnchor="end" className={styles.axisName}>
        {lines.map((line, index) => (
          <tspan key={line} x={right} y={top + index * LINE_PIXELS} dy="0.35em">
            {line}
          </tspan>
        ))}
      </text>
    </g>
  );
}

/** At most two lines; what does not fit ends in an ellipsis. */
export function wrapName(name: string, width: number): string[] {
  const shorten = (text: string) => (text.length > width ? `${text.slice(0, width - 1)}…` : text);
  if (name.length <= width) return [name];
  const breakAt = name.lastIndexOf(' ', width);
  if (breakAt <= 0) return [shorten(name)];
  return [name.slice(0, breakAt), shorten(name.slice(breakAt + 1))];
}

/** Predicted quantities are hatched, measured ones solid: the difference must survive greyscale. */
export function HatchPattern({ id, colour }: { readonly id: string; readonly colour: string }) {
  return (
    <pattern id={id} width={5} height={5} patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
      <rect width={5} height={5} fill="var(--surface)" />
      <rect width={2.2} height={5} fill={colour} />
    </pattern>
  );
}

export function ChartTooltip({
  title,
  rows,
  children,
}: {
  readonly title: string;
  readonly rows: readonly (readonly [string, string])[];
  readonly children?: ReactNode;
}) {
  return (
    <div className={styles.tooltip}>
      <strong>{title}</strong>
      <dl>{rows.map(([term, value]) => [<dt key={`${term}-t`}>{term}</dt>, <dd key={`${term}-d`}>{value}</dd>])}</dl>
      {children}
    </div>
  );
}

/** What stands in a chart without figures. */
export function emptyText({ rows }: Comparison, what: string): string {
  return rows.some(({ state }) => state === 'running') ? 'Being measured …' : `Run to see ${what}.`;
}

export function targetColour(key: string): string {
  return `var(--target-${key.split(':')[0]})`;
}
