/**
 * Charts of a report as SVG text, without a DOM: for the HTML report and for saving. Bars and whiskers carry their figures
 * as text, so that a print in black and white says the same.
 */
import type { MetricDefinition } from '../eval/types.ts';
import { formatBytes, formatMetric, formatMs } from './format.ts';
import type { ReportRow } from './rows.ts';

export interface SvgChart {
  readonly title: string;
  /** One sentence that says what is to be seen. */
  readonly summary: string;
  readonly svg: string;
}

interface Bar {
  readonly label: string;
  readonly value: number;
  readonly low?: number | undefined;
  readonly high?: number | undefined;
  readonly text: string;
  readonly isBaseline: boolean;
}

interface Frame {
  readonly title: string;
  readonly summary: string;
  readonly bars: readonly Bar[];
  /** A vertical line with its name: the gate. */
  readonly limit?: { readonly value: number; readonly label: string } | undefined;
  /** Dots on an axis that need not begin at zero, instead of bars. */
  readonly dots?: boolean;
}

const WIDTH = 640;
const LABEL_WIDTH = 190;
const TEXT_WIDTH = 90;
const ROW = 26;
const TOP = 30;

/** @param rows of one target */
export function sizeChart(rows: readonly ReportRow[]): SvgChart | undefined {
  const bars = rows.flatMap((row): Bar[] =>
    row.fileBytes === null ? [] : [{ ...named(row), value: row.fileBytes, text: formatBytes(row.fileBytes) }],
  );
  const least = minimum(bars);
  if (!least) return undefined;
  return draw({ title: 'File size', summary: `Smallest: ${least.label}, ${least.text}.`, bars });
}

export function latencyChart(rows: readonly ReportRow[]): SvgChart | undefined {
  const bars = rows.flatMap((row): Bar[] =>
    row.medianMs === null
      ? []
      : [
          {
            ...named(row),
            value: row.medianMs,
            low: row.p5Ms ?? undefined,
            high: row.p95Ms ?? undefined,
            text: formatMs(row.medianMs),
          },
        ],
  );
  const least = minimum(bars);
  if (!least) return undefined;
  const where = rows[0]?.targetName ? ` on ${rows[0].targetName}` : '';
  return draw({
    title: `Latency${where}, median and 5th to 95th percentile`,
    summary: `Fastest${where}: ${least.label}, ${least.text}.`,
    bars,
  });
}

/** @param limit the value of the metric at which the gate closes, where it is known */
export function metricChart(
  rows: readonly ReportRow[],
  definition: MetricDefinition,
  limit: number | undefined,
): SvgChart | undefined {
  const bars = rows.flatMap((row): Bar[] => {
    const cell = row.metrics.find(({ id }) => id === definition.id);
    if (!cell || !Number.isFinite(cell.value)) return [];
    const [low, high] = cell.interval ?? [undefined, undefined];
    return [{ ...named(row), value: cell.value, low, high, text: formatMetric(cell.value, definition) }];
  });
  if (bars.length === 0) return undefined;
  const better = definition.direction === 'higher-is-better' ? 'higher is better' : 'lower is better';
  return draw({
    title: `${definition.title} (${better})`,
    summary: bars.map(({ label, text }) => `${label} ${text}`).join(', '),
    bars,
    dots: true,
    ...(limit !== undefined && Number.isFinite(limit) ? { limit: { value: limit, label: 'gate' } } : {}),
  });
}

function named({ variant, variantIndex }: ReportRow): { label: string; isBaseline: boolean } {
  return { label: variant, isBaseline: variantIndex === 0 };
}

function minimum(bars: readonly Bar[]): Bar | undefined {
  return bars.toSorted((a, b) => a.value - b.value)[0];
}

function draw({ title, summary, bars, limit, dots = false }: Frame): SvgChart {
  const space = WIDTH - LABEL_WIDTH - TEXT_WIDTH;
  const [from, to] = dots
    ? dotRange(bars, limit?.value)
    : [0, Math.max(...bars.map(({ value, high }) => high ?? value))];
  const x = (value: number) =>
    LABEL_WIDTH + (to > from ? (Math.min(to, Math.max(from, value)) - from) / (to - from) : 0) * space;
  const height = TOP + bars.length * ROW + 8;
  const lines = bars.flatMap((bar, index) => {
    const y = TOP + index * ROW;
    const middle = y + ROW / 2;
    const kind = bar.isBaseline ? 'baseline' : 'bar';
    const isBeyond = bar.value > to || bar.value < from;
    const mark = dots
      ? `<circle class="${kind}" cx="${n(x(bar.value))}" cy="${n(middle)}" r="5"/>`
      : `<rect class="${kind}" x="${LABEL_WIDTH}" y="${n(y + 5)}" width="${n(Math.max(1, x(bar.value) - LABEL_WIDTH))}" height="${ROW - 10}"/>`;
    const whisker =
      bar.low === undefined || bar.high === undefined || isBeyond
        ? []
        : [
            `<path class="whisker" d="M${n(x(bar.low))} ${n(middle)}H${n(x(bar.high))}M${n(x(bar.low))} ${n(middle - 4)}v8M${n(x(bar.high))} ${n(middle - 4)}v8"/>`,
          ];
    const end = Math.max(x(bar.value) + (dots ? 5 : 0), bar.high === undefined ? 0 : x(bar.high)) + 6;
    const arrow = bar.value > to ? ' →' : bar.value < from ? ' ←' : '';
    return [
      `<text class="label" x="${LABEL_WIDTH - 10}" y="${n(middle + 4)}" text-anchor="end">${xmlText(shorten(bar.label))}</text>`,
      mark,
      ...whisker,
      `<text class="value" x="${n(end)}" y="${n(middle + 4)}">${xmlText(bar.text)}${arrow}</text>`,
    ];
  });
  const gate = limit
    ? [
        `<path class="gate" d="M${n(x(limit.value))} ${TOP - 4}V${height - 6}"/>`,
        `<text class="value" x="${n(x(limit.value))}" y="${TOP - 8}" text-anchor="middle">${xmlText(limit.label)}</text>`,
      ]
    : [];
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${xmlText(title)}</title><desc>${xmlText(summary)}</desc>`,
    `<style>.bar{fill:#0072b2}.baseline{fill:#8b95a1}.whisker,.gate{stroke:#12161b;fill:none}.gate{stroke:#d55e00;stroke-width:1.5;stroke-dasharray:4 3}.label,.value{fill:#12161b}</style>`,
    ...lines,
    ...gate,
    '</svg>',
  ].join('');
  return { title, summary, svg };
}

/** Values further from the original than so many times what the gate allows lie beyond the edge, with an arrow. */
const FAR = 6;

/** What the axis shows: all of it, but for values so far off that they would press the others together. */
export function dotRange(bars: readonly Bar[], limit: number | undefined): [number, number] {
  const base = bars.find(({ isBaseline }) => isBaseline)?.value;
  const reach = base === undefined || limit === undefined ? Number.POSITIVE_INFINITY : Math.abs(limit - base) * FAR;
  const near = reach > 0 ? bars.filter(({ value }) => base === undefined || Math.abs(value - base) <= reach) : bars;
  const values = near.flatMap(({ value, low = value, high = value }) => [value, low, high]);
  if (limit !== undefined) values.push(limit);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const margin = (most - least) * 0.05 || Math.abs(most) * 0.05 || 1;
  return [least - margin, most + margin];
}

/** Long names keep their end, which tells variants apart. */
function shorten(label: string): string {
  const characters = [...label];
  return characters.length <= 28 ? label : `${characters.slice(0, 17).join('')}…${characters.slice(-10).join('')}`;
}

const n = (value: number): string => String(Math.round(value * 10) / 10);

/** For XML text and attributes; control characters, which XML does not allow at all, become spaces. */
export function xmlText(text: string): string {
  return text
    .replace(/[\p{Cc}\ufffe\uffff]/gu, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
