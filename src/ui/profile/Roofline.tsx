import { Gauge } from 'lucide-react';
import { useEffect, useMemo } from 'react';
import { type Ceilings, type Roof, roofOf } from '../../core/profile/ceilings.ts';
import { type RooflineNode, rooflineOf } from '../../core/profile/roofline.ts';
import { targetLabel } from '../../core/study/run.ts';
import type { Target } from '../../core/study/schema.ts';
import { recallCeilings, runCeilings } from '../../state/actions/profile.ts';
import { targetKey } from '../../state/measured.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { ChartFrame, type LegendItem } from '../charts/ChartFrame.tsx';
import { Button } from '../components/Button.tsx';
import { ErrorNote } from '../components/Note.tsx';
import { type Column, SortableTable } from '../components/SortableTable.tsx';
import { formatBytes, formatCompact, formatMicroseconds, plural } from '../format.ts';
import { opClasses } from './op-classes.ts';
import styles from './profile.module.css';
import { isSelected, type NamedProfile, selectedNames, selectionOf } from './profile-data.ts';
import { RooflineChart } from './RooflineChart.tsx';
import { ceilingRows, type RoofPoint, roofLines, rooflineSummary, roofPoints, roofScale } from './roofline-data.ts';

interface RooflineProps {
  readonly profiles: readonly NamedProfile[];
  readonly target: Target;
}

/** What bounds each node: this device's peak rates against what the profile measured. */
export function Roofline({ profiles, target }: RooflineProps) {
  const ceilings = useStudio((state) => state.ceilings[targetKey(target)]);
  useEffect(() => {
    void recallCeilings(target);
  }, [target]);
  return (
    <>
      <Device ceilings={ceilings} target={target} />
      {profiles.length === 0 && (
        <p className={styles.about}>Profile the variant to see where its nodes lie under the roof.</p>
      )}
      {ceilings && profiles.length > 0 && <Charts profiles={profiles} roof={roofOf(ceilings)} />}
      {!ceilings && profiles.length > 0 && (
        <p className={styles.about}>Measure this device to see the roof above these nodes.</p>
      )}
    </>
  );
}

function Device({ ceilings, target }: { readonly ceilings: Ceilings | undefined; readonly target: Target }) {
  const busy = useStudio((state) => state.job !== null || state.opening !== null);
  const error = useStudio((state) => state.ceilingsError);
  return (
    <section className={styles.device} aria-label="What this device can do">
      <div className={styles.bar}>
        <h3>What this device can do at most</h3>
        <Button look={ceilings ? 'plain' : 'primary'} disabled={busy} onClick={() => void runCeilings(target)}>
          <Gauge size={15} aria-hidden /> {ceilings ? 'Measure again' : 'Measure this device'}
        </Button>
      </div>
      {error && <ErrorNote error={error} />}
      {ceilings ? (
        <DeviceTable ceilings={ceilings} target={target} />
      ) : (
        <p className={styles.about}>
          A few seconds of matrix products and additions through onnxruntime on {targetLabel(target)}; kept in this
          browser.
        </p>
      )}
    </section>
  );
}

function DeviceTable({ ceilings, target }: { readonly ceilings: Ceilings; readonly target: Target }) {
  const { engine, threads, measuredAt, clock } = ceilings;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section className={styles.scroll} tabIndex={0} aria-label="Measured rates">
      <table>
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col" className={styles.number}>
              Measured
            </th>
            <th scope="col">How</th>
          </tr>
        </thead>
        <tbody>
          {ceilingRows(ceilings, roofOf(ceilings)).map(({ what, value, how }) => (
            <tr key={what}>
              <th scope="row">{what}</th>
              <td className={styles.number}>{value}</td>
              <td>{how}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className={styles.conditions}>
        {targetLabel(target)}, {plural(threads, 'thread')}, {engine.name} {engine.version},{' '}
        {new Date(measuredAt).toLocaleString('en-GB')}, times of{' '}
        {clock === 'gpu' ? 'the GPU’s timestamps' : 'the thread that runs the kernels'}.
      </p>
    </section>
  );
}

interface RowOf {
  readonly id: string;
  readonly variant: string;
  readonly entry: RooflineNode;
}

function Charts({ profiles, roof }: { readonly profiles: readonly NamedProfile[]; readonly roof: Roof }) {
  const selectedNode = useStudio((state) => state.selectedNode);
  const selected = useMemo(() => selectedNames(profiles, selectedNode), [profiles, selectedNode]);
  const { selectNode } = studio.getState();
  const drawn = useMemo(() => {
    const all = profiles.map((profile) => {
      const line = rooflineOf(profile.value.profile, roof);
      return { profile, line, found: roofPoints(line) };
    });
    const scale = roofScale(
      all.map(({ found }) => found.points),
      roof,
    );
    return { all, scale, lines: roofLines(roof, scale) };
  }, [profiles, roof]);
  const rows = useMemo(
    () =>
      drawn.all.flatMap(({ profile, line }) =>
        line.nodes.map((entry): RowOf => ({ id: `${profile.letter} ${entry.node.id}`, variant: profile.name, entry })),
      ),
    [drawn],
  );
  const columns = useMemo(() => columnsOf(profiles.length > 1), [profiles]);
  return (
    <>
      <div className={styles.roofs}>
        {drawn.all.map(({ profile, line, found }) => (
          <ChartFrame
            key={profile.letter}
            title={`Roofline: ${profile.name}`}
            unit="10⁹ operations a second, measured; size is share of time"
            summary={rooflineSummary(profile.name, line, found)}
            empty={found.points.length === 0 ? 'No node has known sizes.' : null}
            legend={legendOf(found.points)}
            flow
          >
            <RooflineChart
              points={found.points}
              lines={drawn.lines}
              scale={drawn.scale}
              selected={({ node }) => isSelected(node.node, selected)}
              onSelect={selectNode}
            />
          </ChartFrame>
        ))}
      </div>
      <SortableTable
        caption="Predicted is the longer of operations over the peak rate and bytes over the memory bandwidth; “overhead” takes more than four times that."
        columns={columns}
        rows={rows}
        rowKey={({ id }) => id}
        selectedKey={rows.filter(({ entry }) => isSelected(entry.node, selected)).map(({ id }) => id)}
        selectedFirst
        start={{ key: 'measured', direction: 'descending' }}
        limit={50}
      />
    </>
  );
}

/** The shapes as recharts draws them, small. */
const MARKS: Readonly<Record<(typeof opClasses)[number]['shape'], string>> = {
  circle: 'M6 1a5 5 0 1 0 .01 0z',
  square: 'M1.5 1.5h9v9h-9z',
  triangle: 'M6 1l5 9.5h-10z',
  diamond: 'M6 .5l4 5.5l-4 5.5l-4-5.5z',
  star: 'M6 .5l1.5 3.6l3.9.3l-3 2.5l1 3.8l-3.4-2l-3.4 2l1-3.8l-3-2.5l3.9-.3z',
  cross: 'M4.5 1h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5v-3h3.5z',
  wye: 'M4.6 11.5v-5l-4-2.3l1.4-2.5l4 2.3l4-2.3l1.4 2.5l-4 2.3v5z',
};

function legendOf(points: readonly RoofPoint[]): LegendItem[] {
  const present = new Set(points.map(({ opClass }) => opClass));
  return opClasses
    .filter(({ id }) => present.has(id))
    .map(({ label, colour, shape }) => ({ label, colour, mark: MARKS[shape] }));
}

function columnsOf(isPair: boolean): Column<RowOf>[] {
  const dash = (value: number | null, format: (value: number) => string) => (value === null ? '–' : format(value));
  const three = (value: number) => value.toPrecision(3);
  return [
    {
      key: 'node',
      title: 'Node',
      value: ({ entry }) => entry.node.name,
      draw: ({ entry: { node } }) => (
        <button
          type="button"
          className={styles.rowButton}
          title={node.name}
          onClick={() => studio.getState().selectNode(selectionOf(node))}
        >
          {node.name}
        </button>
      ),
    },
    ...(isPair
      ? [
          {
            key: 'variant',
            title: 'Variant',
            value: ({ variant }: RowOf) => variant,
            draw: ({ variant }: RowOf) => variant,
          },
        ]
      : []),
    { key: 'op', title: 'Operator', value: ({ entry }) => entry.node.opType, draw: ({ entry }) => entry.node.opType },
    { key: 'bound', title: 'Bound by', value: ({ entry }) => entry.bound, draw: ({ entry }) => entry.bound },
    number('predicted', 'Predicted', ({ predictedUs }) => predictedUs, formatMicroseconds),
    number('measured', 'Measured', ({ node }) => node.medianUs, formatMicroseconds),
    number('intensity', 'Operations a byte', ({ intensity }) => intensity, three),
    number('rate', '10⁹ operations/s', ({ gigaOpsPerSecond }) => gigaOpsPerSecond, three),
    number('macs', 'MACs', ({ node }) => node.macs, formatCompact),
    number('bytes', 'Bytes', ({ node }) => node.bytes, formatBytes),
  ];

  function number(
    key: string,
    title: string,
    of: (entry: RooflineNode) => number | null,
    format: (value: number) => string,
  ): Column<RowOf> {
    return {
      key,
      title,
      value: ({ entry }) => of(entry) ?? -1,
      draw: ({ entry }) => dash(of(entry), format),
      isNumber: true,
    };
  }
}
