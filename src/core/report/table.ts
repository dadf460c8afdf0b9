/** Text tables, for reports and for everything else that the command line prints. */

/** Columns aligned by spaces: the first to the left, the others to the right unless told. */
export function formatTable(rows: readonly (readonly string[])[], others: 'left' | 'right' = 'right'): string {
  const widths: number[] = [];
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 || others === 'left' ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
