// A page of Chromium with a bundle of ours in it and files of this disk behind a file input; its memory.
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { chromiumArgs, ensureChromium } from '../../scripts/lib/chromium.mjs';
import { root } from './bundle.mjs';

/**
 * @param scriptPath a bundle for the browser, served as /page.mjs
 * @param profile folder for the browser's profile: its private file system is then on disk, as a user's is; without one
 *   every page has a private window, whose file system is memory
 * @returns a browser, and `open(files)`: a fresh page with these files chosen in its file input
 */
export async function startBrowser(scriptPath, profile) {
  const script = readFileSync(scriptPath);
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.mjs';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? script : '<!doctype html><title>bench</title><input type="file" multiple>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { chromium } = await import('playwright-core');
  const options = { executablePath: await ensureChromium(root), args: chromiumArgs };
  const lasting = profile && (await chromium.launchPersistentContext(profile, options));
  const browser = lasting?.browser() ?? (await chromium.launch(options));
  return {
    version: browser.version(),
    async open(files) {
      const context = lasting ?? (await browser.newContext());
      const page = await context.newPage();
      await page.goto(`http://127.0.0.1:${server.address().port}/`);
      await page.setInputFiles('input', files);
      return { page, close: () => (lasting ? page : context).close() };
    },
    /** Starts to watch the memory of all the browser's processes. @returns ends it: the growth at its peak, in bytes */
    async watchMemory() {
      const before = residentBytes(await processIds(browser));
      let peak = before;
      let watching = true;
      const sampler = (async () => {
        while (watching) {
          // Workers may start processes of their own meanwhile.
          peak = Math.max(peak, residentBytes(await processIds(browser)));
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      })();
      return async () => {
        watching = false;
        await sampler;
        return Math.max(peak, residentBytes(await processIds(browser))) - before;
      };
    },
    async close() {
      await browser.close();
      server.close();
    },
  };
}

async function processIds(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  return processInfo.map(({ id }) => id);
}

function residentBytes(ids) {
  const alive = new Set(readdirSync('/proc'));
  let bytes = 0;
  for (const id of ids) {
    if (!alive.has(`${id}`)) continue;
    try {
      // Private memory only: file pages that processes share (the browser's own code) are no growth.
      const status = readFileSync(`/proc/${id}/status`, 'utf8');
      bytes += Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
      bytes += Number(/RssShmem:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
    } catch {
      // Ended meanwhile.
    }
  }
  return bytes;
}
