/** The theme's colours as a canvas needs them: read from the CSS variables, and read again when the theme changes. */
import { useEffect, useState } from 'react';

export interface Ink {
  readonly background: string;
  readonly surface: string;
  readonly raised: string;
  readonly line: string;
  readonly edge: string;
  readonly text: string;
  readonly muted: string;
  readonly accent: string;
  readonly accentSoft: string;
  readonly good: string;
  readonly bad: string;
  readonly warn: string;
  readonly font: string;
  readonly mono: string;
}

const variables: Readonly<Record<keyof Ink, string>> = {
  background: '--bg',
  surface: '--surface',
  raised: '--surface-2',
  line: '--line',
  edge: '--line-strong',
  text: '--text',
  muted: '--text-2',
  accent: '--accent',
  accentSoft: '--accent-soft',
  good: '--good',
  bad: '--bad',
  warn: '--warn',
  font: '--font',
  mono: '--mono',
};

function readInk(): Ink {
  const style = getComputedStyle(document.documentElement);
  const entries = Object.entries(variables).map(([name, variable]) => [name, style.getPropertyValue(variable).trim()]);
  return Object.fromEntries(entries) as unknown as Ink;
}

export function useInk(): Ink {
  const [ink, setInk] = useState(readInk);
  useEffect(() => {
    const observer = new MutationObserver(() => setInk(readInk()));
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    return () => observer.disconnect();
  }, []);
  return ink;
}
