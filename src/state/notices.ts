/** Short messages to the user. The state layer says them; the UI decides how they look (toasts). */

export interface Notice {
  readonly level: 'info' | 'success' | 'error';
  readonly text: string;
  readonly advice?: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

type Listener = (notice: Notice) => void;

const listeners = new Set<Listener>();
/** Said before anybody could show it: a link that cannot be read is noticed before the first frame. */
let waiting: Notice[] = [];

export function notify(notice: Notice): void {
  if (listeners.size === 0) waiting.push(notice);
  for (const listener of listeners) listener(notice);
}

/** @returns a function that stops listening */
export function onNotice(listener: Listener): () => void {
  listeners.add(listener);
  for (const notice of waiting) listener(notice);
  waiting = [];
  return () => listeners.delete(listener);
}
