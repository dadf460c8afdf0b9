// Large graphs on the built page: how soon they are there, and how smoothly one moves in them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { modelToBytes } from '../../src/core/onnx/write.ts';
import { chain, transformer } from '../unit/core/graph-view/support.ts';
import { type App, startApp } from './support/app.ts';
import { listCount, onGraph, press, said } from './support/graph.ts';

let app: App;

beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.close());

declare global {
  /** What the page said while it arranged a graph, and whether the next such word is answered by Cancel. */
  var arranging: { said: string[]; stop: boolean };
}

/** On the page: a layout may be over before a test outside can press Cancel. */
function watchArranging(): void {
  globalThis.arranging = { said: [], stop: true };
  new MutationObserver(() => {
    const status = [...document.querySelectorAll('[role=status]')].find((one) => /^Arranging/.test(one.textContent!));
    if (!status || arranging.said.at(-1) === status.textContent) return;
    arranging.said.push(status.textContent!);
    if (arranging.stop) status.querySelector('button')!.click();
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}

describe('large graphs', () => {
  test('10,000 nodes side by side are arranged in seconds, stopped on the way, panned and zoomed without jerks', async () => {
    await onGraph(app, await modelToBytes(transformer({ layers: 667, named: true })), {}, async ({ page, canvas }) => {
      expect(await listCount(page)).toMatch(/all 10,0\d\d nodes of this graph, \d inputs and outputs/);
      const folded = await canvas.getAttribute('data-boxes');
      await page.evaluate(watchArranging);
      await page.getByRole('button', { name: 'Open all groups' }).click();
      await page.waitForFunction(() => arranging.said.length > 0 && !document.querySelector('progress'));
      const stopped = await page.evaluate(() => arranging.said);
      expect(stopped.at(-1)).toMatch(/^Arranging the graph: [\d,]+ of 12,\d+ …Cancel$/);
      // What was there before is there still, and one can go on in it.
      expect(await canvas.getAttribute('data-boxes')).toBe(folded);
      await canvas.focus();
      await press(page, 'ArrowDown');
      expect(await said(page)).toMatch(/^Input ids\./);
      await press(page, 'Escape');

      await page.evaluate(() => {
        arranging.stop = false;
      });
      const started = performance.now();
      await page.getByRole('button', { name: 'Open all groups' }).click();
      await page.waitForFunction(
        () => Number(document.querySelector<HTMLElement>('[role=application]')!.dataset.boxes) > 10_000,
      );
      const arrangedMs = performance.now() - started;
      const told = await page.evaluate(() => arranging.said);
      const counts = told.slice(stopped.length).map((text) => Number(/[\d,]+/.exec(text)![0].replaceAll(',', '')));
      expect(counts.length).toBeGreaterThan(2);
      expect(counts).toEqual(counts.toSorted((a, b) => a - b));
      const figures: Record<string, { median: number; p95: number }> = {};
      for (const scale of ['as it opens', 'six steps out']) {
        for (const motion of ['panning', 'zooming'] as const)
          figures[`${motion} ${scale}`] = await canvas.evaluate(async (element, doing) => {
            const { left, top, width, height } = element.getBoundingClientRect();
            const middle = { clientX: left + width / 2, clientY: top + height / 2, bubbles: true, cancelable: true };
            const frames: number[] = [];
            await new Promise<void>((done) => {
              let last = performance.now();
              const frame = () => {
                const now = performance.now();
                frames.push(now - last);
                last = now;
                if (frames.length === 60) return done();
                const wheel =
                  doing === 'panning'
                    ? { deltaY: 60, deltaX: frames.length % 2 ? 4 : -4 }
                    : { deltaY: frames.length < 30 ? 30 : -30, ctrlKey: true };
                element.dispatchEvent(new WheelEvent('wheel', { ...middle, ...wheel }));
                requestAnimationFrame(frame);
              };
              requestAnimationFrame(frame);
            });
            frames.sort((a, b) => a - b);
            return { median: frames[30]!, p95: frames[57]! };
          }, motion);
        for (let step = 0; step < 6; step += 1) await page.getByRole('button', { name: 'Zoom out' }).click();
      }
      const text = Object.entries(figures).map(
        ([scale, { median, p95 }]) => `${scale} ${median.toFixed(1)}, p95 ${p95.toFixed(1)}`,
      );
      console.log(
        `graph of 10,011 nodes: arranged and drawn in ${arrangedMs.toFixed(0)} ms; ms a frame while ${text.join('; ')}`,
      );
      // 60 frames a second are 16.7 ms; machines that run tests are busy.
      for (const { median, p95 } of Object.values(figures)) {
        expect(median).toBeLessThan(50);
        expect(p95).toBeLessThan(150);
      }
      expect(arrangedMs).toBeLessThan(15_000);
    });
  });

  test('30,000 nodes without names are shown folded, with a word why', async () => {
    await onGraph(app, await modelToBytes(chain(30_000, 997)), {}, async ({ page, canvas }) => {
      await page.getByText(/^30,002 nodes are shown folded; open the groups that you want to see/).waitFor();
      expect(await page.getByRole('button', { name: 'Open all groups' }).isDisabled()).toBe(true);
      await canvas.focus();
      await press(page, 'ArrowDown');
      expect(await said(page)).not.toBe('');
    });
  });
});
