/** What the page's main thread does, from Chromium's own trace: with the processor time of each task. */
import type { Browser, Page } from 'playwright-core';

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds. */
  readonly ts: number;
  readonly dur?: number;
  /** Processor time of the thread, microseconds. */
  readonly tdur?: number;
  readonly args: { readonly name?: string };
}

export interface MainThreadTask {
  /** Since the work began. */
  readonly atMs: number;
  readonly wallMs: number;
  readonly cpuMs: number;
  /** The longest of what it was made of. */
  readonly parts: readonly string[];
}

const BEGIN = 'traced work begins';
const END = 'traced work ends';

/**
 * @param work must not poll the page by locators, which look through all of it in tasks of their own
 * @returns the tasks of the page while the work went on, the longest by processor time first
 */
export async function mainThreadTasks(browser: Browser, page: Page, work: () => Promise<void>) {
  const session = await browser.newBrowserCDPSession();
  const events: TraceEvent[] = [];
  session.on('Tracing.dataCollected', ({ value }) => void events.push(...(value as unknown as TraceEvent[])));
  await session.send('Tracing.start', {
    transferMode: 'ReportEvents',
    traceConfig: { includedCategories: ['toplevel', 'devtools.timeline', 'blink.user_timing'] },
  });
  const mark = (name: string) => page.evaluate((text) => void performance.mark(text), name);
  try {
    // Starting to trace is a task as well.
    await page.waitForTimeout(300);
    await mark(BEGIN);
    await work();
    await mark(END);
  } finally {
    const complete = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve));
    await session.send('Tracing.end');
    await complete;
    await session.detach();
  }
  return tasksOf(events);
}

function tasksOf(events: readonly TraceEvent[]): MainThreadTask[] {
  const begin = events.find(({ name }) => name === BEGIN);
  const end = events.find(({ name }) => name === END);
  if (!begin || !end) throw new Error('The trace does not hold the marks of the page.');
  const thread = events.filter(({ pid, tid, ph }) => pid === begin.pid && tid === begin.tid && ph === 'X');
  const between = thread.filter(({ ts }) => ts > begin.ts && ts < end.ts);
  return between
    .filter(({ name }) => name.endsWith('RunTask'))
    .map(({ ts, dur = 0, tdur = 0 }) => ({
      atMs: (ts - begin.ts) / 1000,
      wallMs: dur / 1000,
      cpuMs: tdur / 1000,
      parts: between
        .filter((part) => part.ts > ts && part.ts + (part.dur ?? 0) <= ts + dur && (part.tdur ?? 0) > 5000)
        .sort((a, b) => (b.tdur ?? 0) - (a.tdur ?? 0))
        .slice(0, 4)
        .map((part) => `${part.name} ${Math.round((part.tdur ?? 0) / 1000)} ms`),
    }))
    .sort((a, b) => b.cpuMs - a.cpuMs);
}
