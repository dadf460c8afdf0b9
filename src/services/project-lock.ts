/** One tab at a time writes a project. The browser lets the lock go however a page ends. */

const PREFIX = 'whittle-project-';
/** After a reload the old page's lock may take a moment to go. */
const PATIENCE_MS = 600;

export interface ProjectLock {
  release(): void;
}

interface LockOptions {
  /** Takes the lock from the tab that has it. */
  readonly steal?: boolean;
  /** Another tab took the lock. */
  readonly onLost: () => void;
}

/** @returns null when another tab has it. Where the browser has no locks, everybody gets one. */
export function lockProject(id: string, { steal = false, onLost }: LockOptions): Promise<ProjectLock | null> {
  if (!navigator.locks) return Promise.resolve({ release: () => {} });
  return new Promise((granted) => {
    let released = false;
    let isHeld = false;
    const patience = steal ? {} : { signal: AbortSignal.timeout(PATIENCE_MS) };
    navigator.locks
      .request(PREFIX + id, { ...(steal ? { steal } : {}), ...patience }, () => {
        isHeld = true;
        return new Promise<void>((release) =>
          granted({
            release: () => {
              released = true;
              release();
            },
          }),
        );
      })
      .catch(() => {
        if (isHeld && !released) onLost();
        granted(null);
      });
  });
}

/** Of all tabs, this one included. */
export async function projectsInUse(): Promise<Set<string>> {
  const { held = [] } = (await navigator.locks?.query().catch(() => undefined)) ?? {};
  return new Set(held.flatMap(({ name = '' }) => (name.startsWith(PREFIX) ? [name.slice(PREFIX.length)] : [])));
}
