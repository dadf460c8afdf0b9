// Draws public/icons from public/favicon.svg with Chromium. The pictures are committed: run it when the drawing changes.
//   node scripts/icons.mjs
import { mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { chromiumArgs, ensureChromium } from './lib/chromium.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = `${root}public/icons`;
const drawing = readFileSync(`${root}public/favicon.svg`, 'utf8');

/** `share`: of the square that the drawing takes. Systems cut maskable icons to a circle of 80 % of it and less. */
const icons = [
  { name: 'icon-192', size: 192, share: 0.92, ground: null },
  { name: 'icon-512', size: 512, share: 0.92, ground: null },
  { name: 'maskable-192', size: 192, share: 0.54, ground: '#ffffff' },
  { name: 'maskable-512', size: 512, share: 0.54, ground: '#ffffff' },
  { name: 'touch-180', size: 180, share: 0.72, ground: '#ffffff' },
];

mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: await ensureChromium(root), args: chromiumArgs });
for (const { name, size, share, ground } of icons) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  const side = Math.round(size * share);
  await page.setContent(
    `<body style="margin:0;height:100vh;display:grid;place-items:center;background:${ground ?? 'transparent'}">
      ${drawing.replace('<svg ', `<svg width="${side}" height="${side}" `)}</body>`,
  );
  await page.screenshot({ path: `${folder}/${name}.png`, omitBackground: ground === null });
  await page.close();
}
await browser.close();
