/**
 * Copies what is drawn on the page into SVG that stands alone: every style that counts becomes a plain attribute, so
 * that neither the page's stylesheet nor its custom properties are needed, and programs that know no CSS draw the same.
 */

export const SVG = 'http://www.w3.org/2000/svg';

/** The page's fonts in its order, so that what fits on the page fits in the file; generic at the end. */
export const FONT =
  '-apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", "Helvetica Neue", Arial, sans-serif';

/** Property and what SVG takes when nothing is said. */
const PAINT: readonly (readonly [string, string])[] = [
  ['fill-opacity', '1'],
  ['paint-order', 'normal'],
  ['opacity', '1'],
];

const STROKE: readonly (readonly [string, string])[] = [
  ['stroke-width', '1px'],
  ['stroke-opacity', '1'],
  ['stroke-dasharray', 'none'],
  ['stroke-linecap', 'butt'],
  ['stroke-linejoin', 'miter'],
];

const TEXT: readonly (readonly [string, string])[] = [
  ['font-size', ''],
  ['font-weight', '400'],
  ['text-anchor', 'start'],
  ['dominant-baseline', 'auto'],
];

/** What recharts draws under the pointer. */
const POINTED = 'recharts-tooltip-cursor';

const GEOMETRY = new Set(
  `x y x1 y1 x2 y2 dx dy cx cy r rx ry d points transform width height viewBox id clip-path offset
  patternUnits patternContentUnits patternTransform clipPathUnits gradientUnits`.split(/\s+/),
);

const DRAWN = new Set(
  'g path rect circle ellipse line polyline polygon text tspan defs pattern clipPath title'.split(' '),
);

/**
 * @param element an SVG element on the page
 * @param prefix of the ids in the copy: two pictures in one file may use the same
 * @returns a detached copy; null for what is not drawn
 */
export function resolved(element: Element, prefix: string): SVGElement | null {
  if (!DRAWN.has(element.localName) || element.classList.contains(POINTED)) return null;
  const style = getComputedStyle(element);
  const isDefinition = ['defs', 'pattern', 'clipPath', 'title'].includes(element.localName);
  if (!isDefinition && (style.display === 'none' || style.visibility === 'hidden')) return null;
  const copy = document.createElementNS(SVG, element.localName);
  for (const { name, value } of element.attributes) if (GEOMETRY.has(name)) copy.setAttribute(name, value);
  const id = element.getAttribute('id');
  if (id) copy.setAttribute('id', plainId(id, prefix));
  const clip = referenceOf(style.clipPath);
  if (clip) copy.setAttribute('clip-path', `url(#${plainId(clip, prefix)})`);
  if (isShape(element)) paint(style, copy, prefix);
  if (element.localName === 'text' || element.localName === 'tspan') write(style, copy, TEXT);
  for (const child of element.childNodes) {
    if (child instanceof Element) {
      const inner = resolved(child, prefix);
      if (inner) copy.append(inner);
    } else if (child.nodeType === Node.TEXT_NODE) copy.append(xmlSafe(child.textContent ?? ''));
  }
  return copy;
}

/** A group's paint is its members': they carry it themselves. Its opacity is its own. */
function isShape({ localName }: Element): boolean {
  return !['defs', 'pattern', 'clipPath', 'title'].includes(localName);
}

function paint(style: CSSStyleDeclaration, copy: SVGElement, prefix: string): void {
  if (copy.localName === 'g') {
    if (style.opacity !== '1') copy.setAttribute('opacity', style.opacity);
    return;
  }
  write(style, copy, PAINT);
  if (style.stroke !== 'none') write(style, copy, STROKE);
  for (const property of ['fill', 'stroke'] as const) {
    const reference = referenceOf(style[property]);
    if (reference) {
      copy.setAttribute(property, `url(#${plainId(reference, prefix)})`);
      continue;
    }
    const { colour, alpha } = plainColour(style[property]);
    if (property === 'stroke' && colour === 'none') continue;
    copy.setAttribute(property, colour);
    if (alpha < 1 && colour !== 'none')
      copy.setAttribute(`${property}-opacity`, String(+(alpha * Number(style[`${property}Opacity`] || 1)).toFixed(3)));
  }
}

function write(style: CSSStyleDeclaration, copy: SVGElement, properties: readonly (readonly [string, string])[]): void {
  for (const [property, initial] of properties) {
    const value = style.getPropertyValue(property);
    if (value !== '' && value !== initial) copy.setAttribute(property, value);
  }
}

function referenceOf(value: string): string | undefined {
  return /^url\(["']?[^#]*#([^"')]+)["']?\)/.exec(value)?.[1];
}

/** React's and recharts' ids hold characters that not every program reads in a reference. */
function plainId(id: string, prefix: string): string {
  return `${prefix}${id.replace(/[^\w-]/g, '_')}`;
}

let probe: OffscreenCanvasRenderingContext2D | null = null;

/** Any colour that CSS knows (`color-mix()` gives `color(srgb …)`) as #rrggbb and an alpha of 0 to 1. */
export function plainColour(value: string): { readonly colour: string; readonly alpha: number } {
  if (value === 'none' || value === '' || value === 'transparent') return { colour: 'none', alpha: 1 };
  probe ??= new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })!;
  const context = probe;
  context.clearRect(0, 0, 1, 1);
  context.fillStyle = value;
  context.fillRect(0, 0, 1, 1);
  const [red = 0, green = 0, blue = 0, alpha = 255] = context.getImageData(0, 0, 1, 1).data;
  if (alpha === 0) return { colour: 'none', alpha: 1 };
  const hex = [red, green, blue].map((channel) => channel.toString(16).padStart(2, '0')).join('');
  return { colour: `#${hex}`, alpha: alpha / 255 };
}

/** XML 1.0 has no place for most control characters, and names of nodes may hold any. */
export function xmlSafe(text: string): string {
  return text.replace(/[\p{Cc}\ufffe\uffff]/gu, ' ').replace(/\p{Surrogate}/gu, '\ufffd');
}
