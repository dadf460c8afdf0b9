// Makes public/samples/ocr-cls: snippets of text, half of them upside down, for the text direction classifier.
// Usage: node scripts/samples/ocr-direction.mjs TEXT   (see text.mjs for TEXT)
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fontFamilies, requireFonts, withPage } from './browser.mjs';
import { writeImages } from './image.mjs';
import { renderLines } from './lines.mjs';
import { createRng } from './rng.mjs';
import { persuasionWords, textLines } from './text.mjs';

const directory = join(fileURLToPath(new URL('../..', import.meta.url)), 'public/samples/ocr-cls');
const GREY_LEVELS = 12;

const words = persuasionWords(process.argv[2]);
const rng = createRng(20_240_602);
const half = words.length >> 1;
const splits = {
  calibration: textLines(words.slice(0, half), rng, { count: 64, minimum: 6, maximum: 16 }),
  evaluation: textLines(words.slice(half), rng, { count: 1000, minimum: 6, maximum: 16 }),
};

/** Turned by 180 degrees. */
const upsideDown = (image) => ({ ...image, pixels: image.pixels.slice().reverse() });

await withPage(async (page) => {
  await requireFonts(page, fontFamilies);
  for (const [name, lines] of Object.entries(splits)) {
    const rendered = await renderLines(page, lines, rng);
    const turned = rng.shuffle(lines.map((_, i) => i % 2 === 1));
    const samples = rendered.map(({ image, label }, i) => ({
      image: turned[i] ? upsideDown(image) : image,
      label: { ...label, degrees: turned[i] ? 180 : 0 },
    }));
    const bytes = writeImages(directory, name, samples, GREY_LEVELS);
    console.log(`${name}: ${samples.length} snippets, ${bytes} bytes`);
  }
});
