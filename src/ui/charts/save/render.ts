/** What the chart's menu loads when it is used. */
import { pngOf } from './png.ts';
import { type SavedChart, standaloneSvg } from './standalone-svg.ts';

export type ChartFormat = 'svg' | 'png';

/** The chart as it stands on the page now, as a file's content. */
export async function renderChart(chart: SavedChart, format: ChartFormat): Promise<Blob> {
  const drawn = standaloneSvg(chart);
  return format === 'png' ? await pngOf(drawn) : new Blob([drawn.text], { type: 'image/svg+xml' });
}
