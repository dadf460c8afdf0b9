/**
 * Tables as CSV (RFC 4180): what a spreadsheet or pandas reads without being told anything. Names come from models and
 * links, and a spreadsheet would compute what begins like a formula; an apostrophe before it makes it text.
 */

export function csvText(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  return `${[head, ...rows].map((row) => row.map(csvCell).join(',')).join('\r\n')}\r\n`;
}

function csvCell(value: string | number): string {
  const text = typeof value === 'string' && /^[=+@\t\r-]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
