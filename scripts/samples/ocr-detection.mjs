// Makes public/samples/ocr-det: pages with lines of text at known places, for text detection. Pages are hard on purpose
// (turned lines, small print, low contrast, uneven light, blur, noise), because clean pages survive any quantization.
// Usage: node scripts/samples/ocr-detection.mjs TEXT   (see text.mjs for TEXT)
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fontFamilies, requireFonts, withPage } from './browser.mjs';
import { addNoise, blur, drawText, measureText, writeImages } from './image.mjs';
import { createRng } from './rng.mjs';
import { persuasionWords, textLines } from './text.mjs';

const directory = join(fileURLToPath(new URL('../..', import.meta.url)), 'public/samples/ocr-det');
const SIDE = 320;
const GREY_LEVELS = 12;
const LINES_A_PAGE = 9;

const words = persuasionWords(process.argv[2]);
const rng = createRng(20_240_604);
const half = words.length >> 1;
const splits = {
  calibration: { pages: 12, words: words.slice(0, half) },
  evaluation: { pages: 80, words: words.slice(half) },
};

/** Corners of the text's box, turned with its line, and a little larger than the ink, as people draw boxes. */
function boxOf(span, size) {
  const [c, s] = [Math.cos(span.angle), Math.sin(span.angle)];
  const [left, right] = [-size.left - 1, size.right + 1];
  const [top, bottom] = [-size.ascent - 2, size.descent + 2];
  return [
    [left, top],
    [right, top],
    [right, bottom],
    [left, bottom],
  ].map(([u, v]) => [span.x + c * u - s * v, span.y + s * u + c * v]);
}

/** Lines down the page, as many as fit without touching one another. */
async function layOut(page, text) {
  const tilt = rng.between(-0.16, 0.16);
  const dark = rng.uniform() < 0.75;
  const contrast = rng.between(45, 130);
  const background = Math.round(dark ? rng.between(135, 235) : rng.between(20, 100));
  const grey = Math.round(background + (dark ? -contrast : contrast));
  const plans = text.map((line) => ({
    text: line,
    font: `${rng.pick(['', '', 'bold ', 'italic '])}${10 + rng.int(14)}px "${rng.pick(fontFamilies)}"`,
  }));
  const sizes = await measureText(page, plans);
  const spans = [];
  let y = rng.between(26, 44);
  for (const [i, plan] of plans.entries()) {
    const size = sizes[i];
    const angle = tilt + rng.between(-0.02, 0.02);
    const x = rng.between(8, Math.max(9, SIDE - 10 - size.right * Math.cos(angle)));
    // The page's tilt shifts what stands further right; lines stay parallel.
    const span = { ...plan, grey, angle, x, y: y + Math.tan(tilt) * (x - SIDE / 2) + size.ascent };
    const box = boxOf(span, size);
    y += size.ascent + size.descent + rng.between(7, 14);
    if (box.every(([px, py]) => px > 3 && px < SIDE - 3 && py > 3 && py < SIDE - 3)) spans.push({ ...span, box });
  }
  return { spans, background };
}

/** Brighter to one side, as under a lamp. */
function unevenLight(image) {
  const strength = rng.between(0, 50);
  const direction = rng.between(0, 2 * Math.PI);
  const pixels = image.pixels.map((value, i) => {
    const x = (i % image.width) / image.width - 0.5;
    const y = Math.floor(i / image.width) / image.height - 0.5;
    return value + strength * (x * Math.cos(direction) + y * Math.sin(direction));
  });
  return { ...image, pixels };
}

async function renderPage(page, text) {
  const { spans, background } = await layOut(page, text);
  const drawn = spans.map(({ box, ...span }) => span);
  const [image] = await drawText(page, [{ width: SIDE, height: SIDE, background, spans: drawn }]);
  const degraded = addNoise(blur(unevenLight(image), rng.between(0.3, 1.1)), rng, rng.between(2, 12));
  const boxes = spans.map(({ box }) => box.map(([x, y]) => [Number(x.toFixed(1)), Number(y.toFixed(1))]));
  return { image: degraded, label: { boxes } };
}

await withPage(async (page) => {
  await requireFonts(page, fontFamilies);
  for (const [name, split] of Object.entries(splits)) {
    const samples = [];
    for (let i = 0; i < split.pages; i++) {
      const text = textLines(split.words, rng, { count: LINES_A_PAGE, minimum: 5, maximum: 30 });
      samples.push(await renderPage(page, text));
    }
    const bytes = writeImages(directory, name, samples, GREY_LEVELS);
    const boxes = samples.reduce((sum, { label }) => sum + label.boxes.length, 0);
    console.log(`${name}: ${samples.length} pages, ${boxes} lines, ${bytes} bytes`);
  }
});
