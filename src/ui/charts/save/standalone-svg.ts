/** A chart frame as one SVG file: title, legend, picture, and its point in words. */
import { FONT, plainColour, resolved, SVG, xmlSafe } from './resolve.ts';

export interface SavedLegendItem {
  readonly label: string;
  readonly colour: string;
  readonly hatched?: boolean;
  /** The outline of a mark of 12 by 12, instead of a swatch. */
  readonly mark?: string;
}

export interface SavedChart {
  /** The frame on the page: what is drawn in it is copied. */
  readonly figure: HTMLElement;
  readonly title: string;
  readonly unit: string;
  readonly summary: string;
  /** Below the summary; may be empty. */
  readonly note: string;
  readonly legend: readonly SavedLegendItem[];
}

export interface StandaloneSvg {
  readonly text: string;
  /** CSS pixels. */
  readonly width: number;
  readonly height: number;
}

/** On the element in a frame that holds the picture. */
export const PICTURE = 'data-chart-picture';
/** On text in a frame, outside of its SVG, that belongs to the picture. */
export const PICTURE_TEXT = 'data-chart-text';

const PAD = 16;
const TITLE_SIZE = 16;
const TEXT_SIZE = 12;
const LINE = 17;
const LEAST_WIDTH = 320;

interface Look {
  readonly text: string;
  readonly faint: string;
  readonly surface: string;
}

/** @throws TypeError when the frame has no picture: its menu is not offered then */
export function standaloneSvg({ figure, title, unit, summary, note, legend }: SavedChart): StandaloneSvg {
  const picture = figure.querySelector<HTMLElement>(`[${PICTURE}]`);
  if (!picture) throw new TypeError('the frame holds no picture');
  const frame = picture.getBoundingClientRect();
  const width = Math.ceil(Math.max(frame.width, LEAST_WIDTH)) + 2 * PAD;
  const inner = width - 2 * PAD;
  const look = lookOf(figure);
  const root = make('svg', { xmlns: SVG, 'font-family': FONT, 'font-size': TEXT_SIZE, role: 'img' });
  root.append(words('title', {}, title), words('desc', {}, summary));
  const background = make('rect', { width: '100%', height: '100%', fill: look.surface });
  root.append(background);

  let y = PAD + TITLE_SIZE;
  for (const line of wrapped(title, inner, `600 ${TITLE_SIZE}px ${FONT}`)) {
    root.append(words('text', { x: PAD, y, fill: look.text, 'font-size': TITLE_SIZE, 'font-weight': 600 }, line));
    y += TITLE_SIZE + 4;
  }
  for (const line of wrapped(unit, inner, bodyFont)) {
    root.append(words('text', { x: PAD, y, fill: look.faint }, line));
    y += LINE;
  }
  y = drawLegend(root, legend, { figure, look, top: y, inner });

  const top = y - TEXT_SIZE + 6;
  const { parts, bottom } = pictureParts(picture, frame, PAD, top);
  root.append(...parts);
  y = bottom + 6 + TEXT_SIZE;
  for (const line of [summary, note].flatMap((text) => wrapped(text, inner, bodyFont))) {
    root.append(words('text', { x: PAD, y, fill: look.faint }, line));
    y += LINE;
  }
  const height = Math.ceil(y - LINE + PAD);
  for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` }))
    root.setAttribute(name, String(value));
  return {
    text: `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(root)}\n`,
    width,
    height,
  };
}

const bodyFont = `${TEXT_SIZE}px ${FONT}`;

function lookOf(figure: HTMLElement): Look {
  return {
    text: colourOf('var(--text)', figure),
    faint: colourOf('var(--text-2)', figure),
    surface: colourOf('var(--surface)', figure),
  };
}

/** What a colour of the page's theme is at this place. */
function colourOf(colour: string, place: HTMLElement): string {
  const probe = document.createElement('span');
  probe.style.color = colour;
  place.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return plainColour(value).colour;
}

interface Picture {
  readonly parts: readonly SVGElement[];
  readonly bottom: number;
}

/** The frame's drawings where they stand in it, and the words between them; what only the pointer needs is left out. */
function pictureParts(picture: HTMLElement, frame: DOMRect, left: number, top: number): Picture {
  const drawings = [...picture.querySelectorAll('svg')].filter(
    (svg) => !svg.closest('button') && !svg.parentElement?.closest('svg') && svg.getBoundingClientRect().width > 0,
  );
  const shapes = drawings.map((svg, index) => {
    const at = svg.getBoundingClientRect();
    const { x, y, width } = svg.viewBox.baseVal ?? { x: 0, y: 0, width: 0 };
    const scale = width > 0 ? at.width / width : 1;
    const moved = `translate(${+(left + at.left - frame.left).toFixed(2)} ${+(top + at.top - frame.top).toFixed(2)})`;
    const group = make('g', {
      transform: `${moved}${scale === 1 ? '' : ` scale(${+scale.toFixed(4)})`}${x || y ? ` translate(${-x} ${-y})` : ''}`,
    });
    for (const child of svg.children) {
      const copy = child.localName === 'title' ? null : resolved(child, `p${index}-`);
      if (copy) group.append(copy);
    }
    return group;
  });
  const labels = [...picture.querySelectorAll<HTMLElement>(`[${PICTURE_TEXT}]`)];
  const texts = labels.flatMap((element) => {
    const at = element.getBoundingClientRect();
    const { fontSize, color } = getComputedStyle(element);
    const size = Number.parseFloat(fontSize);
    return wrapped(element.textContent ?? '', at.width + 2, `${size}px ${FONT}`).map((line, index) =>
      words(
        'text',
        {
          x: +(left + at.left - frame.left).toFixed(2),
          y: +(top + at.top - frame.top + size * (1.1 + index * 1.4)).toFixed(2),
          fill: plainColour(color).colour,
          'font-size': size,
        },
        line,
      ),
    );
  });
  const bottoms = [...drawings, ...labels].map((element) => element.getBoundingClientRect().bottom - frame.top);
  return { parts: [...shapes, ...texts], bottom: top + Math.max(...bottoms) };
}

interface LegendPlace {
  readonly figure: HTMLElement;
  readonly look: Look;
  /** Baseline of its first line. */
  readonly top: number;
  readonly inner: number;
}

/** @returns the baseline of the line after it */
function drawLegend(
  root: SVGElement,
  legend: readonly SavedLegendItem[],
  { figure, look, top, inner }: LegendPlace,
): number {
  if (legend.length === 0) return top;
  let x = PAD;
  let y = top + 2;
  legend.forEach(({ label, colour, hatched, mark }, index) => {
    const width = 18 + widthOf(label, bodyFont);
    if (x > PAD && x + width > PAD + inner) {
      x = PAD;
      y += LINE;
    }
    const plain = colourOf(colour, figure);
    if (mark) {
      const at = `translate(${x} ${y - 10})`;
      root.append(make('path', { d: mark, transform: at, fill: plain, stroke: look.text, 'stroke-width': 0.6 }));
    } else {
      if (hatched) root.append(hatch(`hatch${index}`, plain, look.surface));
      const fill = hatched ? `url(#hatch${index})` : plain;
      root.append(make('rect', { x, y: y - 9.5, width: 12, height: 10, rx: 2, fill }));
    }
    root.append(words('text', { x: x + 17, y, fill: look.faint }, label));
    x += width + 14;
  });
  return y + LINE;
}

function hatch(id: string, colour: string, surface: string): SVGElement {
  const pattern = make('pattern', {
    id,
    width: 4,
    height: 4,
    patternUnits: 'userSpaceOnUse',
    patternTransform: 'rotate(45)',
  });
  pattern.append(
    make('rect', { width: 4, height: 4, fill: surface }),
    make('rect', { width: 2, height: 4, fill: colour }),
  );
  return pattern;
}

function make(name: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const element = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes))
    if (attribute !== 'xmlns') element.setAttribute(attribute, String(value));
  return element;
}

function words(name: string, attributes: Readonly<Record<string, string | number>>, text: string): SVGElement {
  const element = make(name, attributes);
  element.append(xmlSafe(text));
  return element;
}

let measure: OffscreenCanvasRenderingContext2D | null = null;

/** CSS pixels. */
function widthOf(text: string, font: string): number {
  measure ??= new OffscreenCanvas(1, 1).getContext('2d')!;
  measure.font = font;
  return measure.measureText(text).width;
}

/**
 * Lines that are no wider; SVG does not break text by itself. A word that is wider stands alone; narrow spaces, which tie
 * units to numbers, do not break.
 */
function wrapped(text: string, width: number, font: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(/[ \n\t]+/).filter((part) => part !== '')) {
    const last = lines.at(-1);
    if (last !== undefined && widthOf(`${last} ${word}`, font) <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
