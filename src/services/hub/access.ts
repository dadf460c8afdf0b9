/** Which server is asked, and as whom. The token is in this variable and nowhere else: a reload forgets it. */
import { DEFAULT_HOST, parseHost } from '../../core/hub/address.ts';

export interface HubAccess {
  /** An origin. */
  readonly host: string;
  readonly token: string | null;
}

const HOST_KEY = 'whittle.hub-host';
let token: string | null = null;
let host: string | null = null;

export function hubAccess(): HubAccess {
  host ??= readHost();
  return { host, token };
}

function readHost(): string {
  try {
    const parsed = parseHost(localStorage.getItem(HOST_KEY) ?? DEFAULT_HOST);
    return parsed.ok ? parsed.value : DEFAULT_HOST;
  } catch {
    return DEFAULT_HOST;
  }
}

/** @param next an origin, checked by `parseHost`. A token is for the server it was given for, so another one forgets it. */
export function setHubHost(next: string): void {
  if (next !== hubAccess().host) token = null;
  host = next;
  try {
    if (next === DEFAULT_HOST) localStorage.removeItem(HOST_KEY);
    else localStorage.setItem(HOST_KEY, next);
  } catch {
    // Private windows: the choice lasts as long as the page.
  }
}

export function setHubToken(next: string | null): void {
  token = next?.trim() || null;
}

/** What the screen calls the server: `huggingface.co`. */
export const hostName = (origin: string): string => new URL(origin).host;
