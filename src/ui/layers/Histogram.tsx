import type { CalibratedTensor, Range } from '../../state/calibration.ts';

/** Bars on a logarithmic scale of counts, since a clip is about the few far out. @returns heights 0..1, none for empty bins */
export function barHeights(counts: readonly number[]): number[] {
  const most = Math.log1p(Math.max(...counts, 1));
  return counts.map((count) => (count === 0 ? 0 : Math.max(Math.log1p(count) / most, 0.03)));
}

const WIDTH = 120;
const HEIGHT = 24;

/** A row's histogram in small, what is clipped hatched away. */
export function Sparkline({ tensor, range }: { readonly tensor: CalibratedTensor; readonly range: Range }) {
  const { counts, min, max } = tensor.histogram;
  const span = max - min || 1;
  const width = WIDTH / counts.length;
  const xOf = (value: number) => Math.min(Math.max(((value - min) / span) * WIDTH, 0), WIDTH);
  const [low, high] = [xOf(range.min), xOf(range.max)];
  return (
    <svg width={WIDTH} height={HEIGHT} aria-hidden="true" style={{ display: 'block' }}>
      {barHeights(counts).map((height, index) => {
        const x = index * width;
        const isClipped = x + width / 2 < low || x + width / 2 > high;
        return (
          <rect
            // biome-ignore lint/suspicious/noArrayIndexKey: a bin is its place
            key={index}
            x={x}
            y={HEIGHT - height * HEIGHT}
            width={Math.max(width - 0.4, 0.6)}
            height={height * HEIGHT}
            fill={isClipped ? 'var(--line-strong)' : 'var(--accent)'}
          />
        );
      })}
      <line x1={low} x2={low} y1={0} y2={HEIGHT} stroke="var(--bad)" strokeWidth={1.5} />
      <line x1={high} x2={high} y1={0} y2={HEIGHT} stroke="var(--bad)" strokeWidth={1.5} />
    </svg>
  );
}
