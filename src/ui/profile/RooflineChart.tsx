import {
  CartesianGrid,
  ReferenceLine,
  ResponsiveContainer,
  Scatter,
  ScatterChart,
  Tooltip,
  XAxis,
  YAxis,
  ZAxis,
} from 'recharts';
import { AXIS_TICK, ChartTooltip } from '../charts/chart-parts.tsx';
import { formatMicroseconds, formatPercent } from '../format.ts';
import { opClasses } from './op-classes.ts';
import styles from './profile.module.css';
import { decadeTicks, type RoofLine, type RoofPoint, type RoofScale } from './roofline-data.ts';

interface RooflineChartProps {
  readonly points: readonly RoofPoint[];
  readonly lines: readonly RoofLine[];
  readonly scale: RoofScale;
  readonly selected: (point: RoofPoint) => boolean;
  readonly onSelect: (node: string) => void;
}

/** Operations a second over operations a byte, both logarithmic, under the device's roof. */
export function RooflineChart({ points, lines, scale, selected, onSelect }: RooflineChartProps) {
  const ring = points.filter(selected);
  return (
    <div className={styles.roofPlot}>
      <ResponsiveContainer width="100%" height="100%">
        <ScatterChart margin={{ top: 14, right: 16, bottom: 16, left: 0 }} title="Roofline">
          <CartesianGrid stroke="var(--grid)" />
          <XAxis
            type="number"
            dataKey="x"
            scale="log"
            domain={[...scale.x]}
            ticks={decadeTicks(scale.x)}
            allowDataOverflow
            tick={AXIS_TICK}
            tickFormatter={tickText}
            label={{ value: 'operations a byte', position: 'insideBottom', offset: -10, className: styles.axis! }}
          />
          <YAxis
            type="number"
            dataKey="y"
            scale="log"
            domain={[...scale.y]}
            ticks={decadeTicks(scale.y)}
            allowDataOverflow
            width={52}
            tick={AXIS_TICK}
            tickFormatter={tickText}
          />
          <ZAxis type="number" dataKey="z" range={[24, 220]} domain={[0, 'dataMax']} />
          <Tooltip
            cursor={false}
            isAnimationActive={false}
            content={({ payload }) => {
              const point = payload?.[0]?.payload as RoofPoint | undefined;
              return point ? <PointTip point={point} /> : null;
            }}
          />
          {lines.map(({ label, from, to, dashed }) => (
            <ReferenceLine
              key={label}
              segment={[from, to]}
              stroke="var(--text)"
              strokeWidth={1.5}
              strokeDasharray={dashed ? '5 4' : undefined}
              ifOverflow="hidden"
              label={({ viewBox }: { viewBox?: unknown }) => (
                <RoofLabel text={label} box={viewBox as Segment} flat={from.y === to.y} />
              )}
            />
          ))}
          {opClasses.map(({ id, label, colour, shape }) => {
            const own = points.filter(({ opClass }) => opClass === id);
            return own.length === 0 ? null : (
              <Scatter
                key={id}
                name={label}
                data={own}
                shape={shape}
                fill={colour}
                fillOpacity={0.75}
                stroke="var(--text)"
                strokeWidth={0.6}
                isAnimationActive={false}
                cursor="pointer"
                onClick={(item: { payload?: unknown }) => onSelect((item.payload as RoofPoint).select)}
              />
            );
          })}
          <Scatter
            name="selected"
            data={ring}
            shape={Ring}
            isAnimationActive={false}
            legendType="none"
            style={{ pointerEvents: 'none' }}
          />
        </ScatterChart>
      </ResponsiveContainer>
    </div>
  );
}

interface Segment {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** On a slope a third of the way up, at its left; on a peak at its right end, above. */
function RoofLabel({ text, box, flat }: { readonly text: string; readonly box: Segment; readonly flat: boolean }) {
  const { x, y, width, height } = box;
  const at = flat ? { x: x + width - 4, y: y - 5 } : { x: x + width * 0.3 - 5, y: y + height * 0.7 - 4 };
  return (
    <text {...at} textAnchor="end" className={styles.roofLabel}>
      {text}
    </text>
  );
}

function Ring({ cx = 0, cy = 0 }: { readonly cx?: number | undefined; readonly cy?: number | undefined }) {
  return <circle cx={cx} cy={cy} r={12} fill="none" stroke="var(--text)" strokeWidth={2.5} />;
}

function PointTip({ point: { x, y, node: entry } }: { readonly point: RoofPoint }) {
  const { node, predictedUs, bound } = entry;
  return (
    <ChartTooltip
      title={node.name}
      rows={[
        ['operator', node.opType],
        ['operations a byte', x.toPrecision(3)],
        ['10⁹ operations a second', y.toPrecision(3)],
        ['measured', `${formatMicroseconds(node.medianUs)} (${formatPercent(node.share, 1)})`],
        ['predicted', predictedUs === null ? '–' : formatMicroseconds(predictedUs)],
        ['bound by', bound],
      ]}
    />
  );
}

/** 0.01, 1, 100, 10⁴. */
function tickText(value: number): string {
  if (value >= 0.001 && value <= 1000) return String(Number(value.toPrecision(1)));
  const digits = '⁰¹²³⁴⁵⁶⁷⁸⁹';
  const power = Math.round(Math.log10(value));
  return `10${power < 0 ? '⁻' : ''}${[...String(Math.abs(power))].map((digit) => digits[Number(digit)]).join('')}`;
}
