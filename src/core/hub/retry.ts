/** When to ask again. */

const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 60_000;
export const MAX_ATTEMPTS = 5;

/** Answers that another try may change. */
export function isPassing(status: number): boolean {
  return status === 408 || status === 429 || status === 500 || status === 502 || status === 503 || status === 504;
}

/**
 * @param attempt 0 for the first failure
 * @param retryAfter the header: seconds, or a date (RFC 9110 §10.2.3); where it is not readable, doubling waits
 * @param now in ms since the epoch
 * @param random in [0, 1): spreads out many pages that were refused at once
 * @returns ms to wait; null where the server asks for longer than anybody would
 */
export function retryDelay(attempt: number, retryAfter: string | null, now: number, random: number): number | null {
  const asked = parseRetryAfter(retryAfter, now);
  if (asked !== null) return asked > MAX_WAIT_MS ? null : asked;
  return Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt) * (0.75 + 0.5 * random);
}

function parseRetryAfter(value: string | null, now: number): number | null {
  if (value === null) return null;
  const text = value.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}
