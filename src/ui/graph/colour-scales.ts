/** Colours for figures and words: cividis for amounts, Okabe and Ito's for kinds; both are told apart by everyone. */

/** Cividis (Nuñez, Anderton, Renslow 2018) at eight places, from little to much. */
const CIVIDIS = ['#00224e', '#1f386e', '#434e6c', '#61646f', '#7d7c78', '#9e9575', '#c4b062', '#fee838'];

/** @param share 0 to 1 @param darkIsMuch on a light page much is dark, on a dark page bright */
export function sequential(share: number, darkIsMuch: boolean): string {
  const at = Math.min(1, Math.max(0, darkIsMuch ? 1 - share : share)) * (CIVIDIS.length - 1);
  const low = Math.min(CIVIDIS.length - 2, Math.floor(at));
  return mix(CIVIDIS[low]!, CIVIDIS[low + 1]!, at - low);
}

/** Okabe and Ito (2008), black left out, and grey. */
export const CATEGORICAL = [
  '#56b4e9',
  '#e69f00',
  '#009e73',
  '#cc79a7',
  '#f0e442',
  '#0072b2',
  '#d55e00',
  '#9aa3ad',
] as const;

/** '#rrggbb' or '#rgb', which is what build tools make of some. */
function channels(colour: string): [number, number, number] {
  const digits =
    colour.length === 4 ? [...colour.slice(1)].map((digit) => digit + digit) : colour.slice(1).match(/../g);
  return (digits ?? []).map((pair) => Number.parseInt(pair, 16)) as [number, number, number];
}

export function mix(a: string, b: string, share: number): string {
  const from = channels(a);
  const to = channels(b);
  const hex = from.map((value, at) =>
    Math.round(value + (to[at]! - value) * share)
      .toString(16)
      .padStart(2, '0'),
  );
  return `#${hex.join('')}`;
}

/** Black or white, whichever has more contrast (WCAG 2.2 relative luminance). */
export function inkOn(colour: string): string {
  const [r, g, b] = channels(colour).map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? '#000000' : '#ffffff';
}
