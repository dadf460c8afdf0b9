/** One tab at a time writes a project. The browser lets the lock go however a page ends. */

const PREFIX = 'whittle-project-';
/** After a reload the old page's lock may take a moment to go. */
const PATIENCE_MS = 600;
/** A tab that does not answer by then is asleep or broken, and what it holds back is on its own page. */
const ANSWER_MS = 2000;
const CHANNEL = 'whittle-projects';

/** What tabs say to each other about a project. */
interface Word {
  readonly word: 'write' | 'written';
  readonly id: string;
}

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

/** Answers `askToWrite` of other tabs. @param write resolves when all of that project is stored; null: it is not open here */
export function answerAsks(write: (id: string) => Promise<void> | null): () => void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data: { word, id } }: MessageEvent<Word>) => {
    if (word === 'write') void write(id)?.then(() => channel.postMessage({ word: 'written', id } satisfies Word));
  };
  return () => channel.close();
}

/** Has the tab that holds the project write down what it has not written yet, and waits for that, but not forever. */
export async function askToWrite(id: string): Promise<void> {
  if (!(await projectsInUse()).has(id)) return;
  const channel = new BroadcastChannel(CHANNEL);
  await new Promise<void>((done) => {
    setTimeout(done, ANSWER_MS);
    channel.onmessage = ({ data }: MessageEvent<Word>) => {
      if (data.word === 'written' && data.id === id) done();
    };
    channel.postMessage({ word: 'write', id } satisfies Word);
  });
  channel.close();
}
