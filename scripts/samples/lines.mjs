// Single lines of text as a scanner might see them: many fonts, sizes 14-27 px, dark on light or not, blur, noise.
import { fontFamilies } from './browser.mjs';
import { addNoise, blur, drawText, measureText } from './image.mjs';

/**
 * @param {import('playwright-core').Page} page
 * @param {readonly string[]} lines
 * @param {ReturnType<typeof import('./rng.mjs').createRng>} rng
 */
export async function renderLines(page, lines, rng) {
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
