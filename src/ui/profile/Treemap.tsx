import { useMemo, useState } from 'react';
import { profileByOp } from '../../core/profile/by-op.ts';
import type { ProfileNode } from '../../core/profile/types.ts';
import { useWidth } from '../components/use-width.ts';
import { formatMicroseconds, formatPercent } from '../format.ts';
import { opClassOf } from './op-classes.ts';
import styles from './profile.module.css';
import { isSelected, type NamedProfile, originText, selectionOf, sumOfMedians } from './profile-data.ts';
import { type Box, squarify } from './treemap-layout.ts';

interface TreemapProps {
  /** One or two; areas are on the same scale. */
  readonly profiles: readonly NamedProfile[];
  /** By all names of it. */
  readonly selected: ReadonlySet<string>;
  readonly onSelect: (node: string | null) => void;
}

const HEIGHT = 300;
const GAP = 12;
const CAPTION = 20;
const HEAD = 15;
/** Below this width two maps stand above each other. */
const NARROW = 620;
/** Smaller ones are drawn together: nobody could see or press them. */
const LEAST_AREA = 12;

interface Leaf {
  readonly box: Box;
  /** null: the rest of its operator. */
  readonly node: ProfileNode | null;
  readonly count: number;
  readonly us: number;
}

interface Group {
  readonly opType: string;
  readonly colour: string;
  readonly us: number;
  readonly share: number;
  readonly box: Box;
  readonly leaves: readonly Leaf[];
}

/** Time as area: operators, and nodes in them. The table below has the same figures. */
export function Treemap({ profiles, selected, onSelect }: TreemapProps) {
  const [box, width] = useWidth<HTMLDivElement>();
  const [hovered, setHovered] = useState<{ readonly name: string; readonly leaf: Leaf; readonly group: Group } | null>(
    null,
  );
  const maps = useMemo(() => layOut(profiles, width), [profiles, width]);
  const pointed = useMemo(() => findSelected(profiles, selected), [profiles, selected]);
  return (
    <div ref={box} className={styles.maps}>
      {maps.map(({ profile, frame, groups }) => (
        <div key={profile.letter} style={{ width: frame.width }}>
          <p className={styles.mapTitle} data-chart-text>
            <strong>{profile.name}</strong> {formatMicroseconds(sumOfMedians(profile))}
          </p>
          {/* Pointing is a shortcut to rows of the table, which say the same by keyboard. */}
          <svg
            width={frame.width}
            height={frame.height}
            aria-hidden="true"
            className={styles.map}
            onPointerMove={(event) => {
              const found = tileAt(event.target, groups);
              setHovered(found && { name: profile.name, ...found });
            }}
            onPointerLeave={() => setHovered(null)}
            onClick={(event) => {
              const node = tileAt(event.target, groups)?.leaf.node;
              if (node) onSelect(isSelected(node, selected) ? null : selectionOf(node));
            }}
          >
            {groups.map((group, at) => (
              <g key={group.opType}>
                {group.leaves.map((leaf, index) => (
                  <Tile
                    key={leaf.node?.id ?? 'rest'}
                    leaf={leaf}
                    group={group}
                    place={`${at} ${index}`}
                    isSelected={leaf.node !== null && isSelected(leaf.node, selected)}
                  />
                ))}
                <GroupHead group={group} />
              </g>
            ))}
          </svg>
        </div>
      ))}
      <p className={styles.readout}>
        {hovered ? (
          <>
            {profiles.length > 1 && `${hovered.name}: `}
            {hovered.leaf.node ? <Pointed node={hovered.leaf.node} /> : restText(hovered.leaf, hovered.group)}
          </>
        ) : (
          pointed.map(({ name, node }, index) => (
            <span key={`${name} ${node.id}`}>
              {index > 0 && ' · '}
              {profiles.length > 1 && `${name}: `}
              <Pointed node={node} />
            </span>
          ))
        )}
        {!hovered && pointed.length === 0 && 'Point at a node to read it; press to select it everywhere.'}
      </p>
    </div>
  );
}

function Pointed({ node }: { readonly node: ProfileNode }) {
  return (
    <>
      <strong>{node.name}</strong> {node.opType}, {formatMicroseconds(node.medianUs)} ({formatPercent(node.share, 1)}),{' '}
      {originText(node)}
    </>
  );
}

const restText = ({ count, us }: Leaf, { opType }: Group) =>
  `${count} smaller ${opType} nodes, ${formatMicroseconds(us)} together`;

function findSelected(profiles: readonly NamedProfile[], selected: ReadonlySet<string>) {
  return profiles.flatMap(({ name, value }) =>
    value.profile.nodes.filter((node) => isSelected(node, selected)).map((node) => ({ name, node })),
  );
}

/** The tile under an event: tiles say which they are. */
function tileAt(target: EventTarget, groups: readonly Group[]): { leaf: Leaf; group: Group } | null {
  const [at, index] = (target as Element).getAttribute('data-tile')?.split(' ') ?? [];
  const group = groups[Number(at)];
  const leaf = group?.leaves[Number(index)];
  return group && leaf ? { group, leaf } : null;
}

interface TileProps {
  readonly leaf: Leaf;
  readonly group: Group;
  readonly place: string;
  readonly isSelected: boolean;
}

function Tile({ leaf, group, place, isSelected: selected }: TileProps) {
  const { x, y, width, height } = leaf.box;
  const inset = selected ? 1.5 : 0.5;
  return (
    <g>
      <rect
        data-tile={place}
        data-node={leaf.node ? selectionOf(leaf.node) : undefined}
        x={x + inset}
        y={y + inset}
        width={Math.max(0, width - 2 * inset)}
        height={Math.max(0, height - 2 * inset)}
        className={styles.tile}
        style={{
          fill: `color-mix(in srgb, ${group.colour} ${leaf.node ? 30 : 14}%, var(--surface))`,
          stroke: selected ? 'var(--text)' : group.colour,
          strokeWidth: selected ? 3 : 1,
        }}
      />
      {width > 52 && height > 16 && (
        <text x={x + 4} y={y + 12} className={styles.tileText}>
          {fitted(leaf.node ? shortName(leaf.node) : `${leaf.count} more`, width - 8)}
        </text>
      )}
      {width > 52 && height > 30 && (
        <text x={x + 4} y={y + 25} className={styles.tileSub}>
          {formatMicroseconds(leaf.us)}
        </text>
      )}
    </g>
  );
}

function GroupHead({ group: { box, opType, share } }: { readonly group: Group }) {
  if (box.width < 40 || box.height < HEAD + 12) return null;
  return (
    <text x={box.x + 3} y={box.y + 11} className={styles.groupText}>
      {fitted(`${opType} ${formatPercent(share)}`, box.width - 6)}
    </text>
  );
}

/** The end of a name tells nodes apart; its beginning is the path. */
function shortName({ name }: ProfileNode): string {
  const parts = name.split('/').filter((part) => part !== '');
  return parts.at(-1) ?? name;
}

/** Cut to a width in pixels: 6.2 a character at this size. */
function fitted(text: string, pixels: number): string {
  const most = Math.floor(pixels / 6.2);
  return text.length <= most ? text : most > 2 ? `${text.slice(0, most - 1)}…` : '';
}

interface MapLayout {
  readonly profile: NamedProfile;
  readonly frame: Box;
  readonly groups: readonly Group[];
}

/** Side by side in the ratio of their times, or, where it is narrow, above each other: areas compare either way. */
function layOut(profiles: readonly NamedProfile[], width: number): MapLayout[] {
  const totals = profiles.map(sumOfMedians);
  const sum = totals.reduce((a, b) => a + b, 0);
  if (width <= 0 || sum <= 0) return [];
  const isNarrow = width < NARROW;
  const free = width - GAP * (profiles.length - 1);
  const most = Math.max(...totals);
  return profiles.map((profile, index) => {
    const frame = isNarrow
      ? { x: 0, y: 0, width, height: Math.max(CAPTION, (HEIGHT * totals[index]!) / most) }
      : { x: 0, y: 0, width: (free * totals[index]!) / sum, height: HEIGHT };
    return { profile, frame, groups: groupsOf(profile, frame) };
  });
}

function groupsOf(named: NamedProfile, frame: Box): Group[] {
  const { profile } = named.value;
  const ops = profileByOp(profile).filter(({ medianUs }) => medianUs > 0);
  // Sums of medians, not medians of sums: areas of nodes must fill the area of their operator.
  const nodesOf = new Map<string, ProfileNode[]>();
  for (const node of profile.nodes) {
    if (!(node.medianUs > 0)) continue;
    const list = nodesOf.get(node.opType);
    if (list) list.push(node);
    else nodesOf.set(node.opType, [node]);
  }
  const usPerPixel = sumOfMedians(named) / (frame.width * frame.height);
  const sums = ops
    .map((op) => ({ op, nodes: (nodesOf.get(op.opType) ?? []).toSorted((a, b) => b.medianUs - a.medianUs) }))
    .map(({ op, nodes }) => ({ op, nodes, us: nodes.reduce((sum, { medianUs }) => sum + medianUs, 0) }))
    .filter(({ us }) => us / usPerPixel > 1)
    .sort((a, b) => b.us - a.us);
  const boxes = squarify(
    sums.map(({ us }) => us),
    frame,
  );
  return sums.map(({ op, nodes, us }, index) => {
    const box = boxes[index]!;
    const colour = opClassOf(op).colour;
    const hasHead = box.width >= 40 && box.height >= HEAD + 12;
    const inner = hasHead ? { ...box, y: box.y + HEAD, height: box.height - HEAD } : box;
    return { opType: op.opType, colour, us, share: op.share, box, leaves: leavesOf(nodes, us, inner) };
  });
}

function leavesOf(nodes: readonly ProfileNode[], us: number, frame: Box): Leaf[] {
  const least = (LEAST_AREA * us) / Math.max(1, frame.width * frame.height);
  const large = nodes.filter(({ medianUs }) => medianUs >= least);
  const restUs = us - large.reduce((sum, { medianUs }) => sum + medianUs, 0);
  const count = nodes.length - large.length;
  const parts = large.map((node) => ({ node: node as ProfileNode | null, count: 1, us: node.medianUs }));
  if (count > 0) parts.push({ node: null, count, us: restUs });
  parts.sort((a, b) => b.us - a.us);
  const boxes = squarify(
    parts.map((part) => part.us),
    frame,
  );
  return parts.map((part, index) => ({ ...part, box: boxes[index]! }));
}
