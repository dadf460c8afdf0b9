const medium = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone: 'UTC' });

/** "2026-11-27" as "27 Nov 2026". */
export function formatDay(day: string): string {
  return medium.format(new Date(`${day}T00:00:00Z`));
}
