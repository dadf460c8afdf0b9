/** Short messages to the user. The state layer says them; the UI decides how they look (toasts). */

export interface Notice {
  readonly level: 'info' | 'success' | 'error';
  readonly text: string;
  readonly advice?: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

type Listener = (notice: Notice) => void;

const listeners = new Set<Listener>();

export function notify(notice: Notice): void {
  for (const listener of listeners) listener(notice);
}

/** @returns a function that stops listening */
export function onNotice(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
