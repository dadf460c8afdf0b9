import { ImageDown } from 'lucide-react';
import type { RefObject } from 'react';
import { saveChart } from '../../state/actions/export.ts';
import { ActionMenu } from '../components/ActionMenu.tsx';
import { Button } from '../components/Button.tsx';
import type { ChartFormat } from './save/render.ts';
import type { SavedChart } from './save/standalone-svg.ts';

interface SaveChartProps {
  readonly figure: RefObject<HTMLElement | null>;
  readonly chart: Omit<SavedChart, 'figure'>;
}

/** The chart as a picture: for slides as PNG, for everything that scales as SVG. */
export function SaveChart({ figure, chart }: SaveChartProps) {
  const save = (format: ChartFormat) => {
    const { current } = figure;
    if (!current) return;
    const picture = import('./save/render.ts').then(({ renderChart }) =>
      renderChart({ ...chart, figure: current }, format),
    );
    void saveChart(picture, chart.title, format);
  };
  return (
    <ActionMenu
      heading="Save chart"
      trigger={
        <Button look="quiet" icon aria-label={`Save chart: ${chart.title}`} title="Save chart">
          <ImageDown size={15} />
        </Button>
      }
      actions={[
        { key: 'png', label: 'PNG', hint: 'twice the size on screen, for slides', run: () => save('png') },
        { key: 'svg', label: 'SVG', hint: 'scales, for print and editing', run: () => save('svg') },
      ]}
    />
  );
}
