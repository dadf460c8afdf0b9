/** Profiles as numbers and sentences for their charts, tables and files. */
import { profileByOp } from '../../core/profile/by-op.ts';
import type { ProfileNode } from '../../core/profile/types.ts';
import { csvText } from '../../core/report/csv-text.ts';
import { type ComparedNode, type ComparedOp, compareByOp, compareNodes } from '../../core/study/profile-compare.ts';
import type { VariantProfile } from '../../core/study/profile-run.ts';
import { formatDelta, formatMicroseconds, formatMs, formatPercent, plural } from '../format.ts';

export interface NamedProfile {
  readonly name: string;
  readonly letter: string;
  readonly value: VariantProfile;
}

/** What selecting a node selects everywhere: the node of the file, or, for what the runtime added, its own name. */
export const selectionOf = ({ fileNodes, name }: ProfileNode): string => fileNodes[0] ?? name;

const namesOf = ({ fileNodes, name }: ProfileNode): readonly string[] => (fileNodes.length > 0 ? fileNodes : [name]);

/** The selected node by all names that it goes by: in the original, and what became of it in the variant. */
export function selectedNames(profiles: readonly NamedProfile[], selected: string | null): ReadonlySet<string> {
  if (selected === null) return new Set();
  const names = new Set([selected]);
  const group = nodeRows(profiles).find(({ original, variants }) =>
    [original, ...variants].some((node) => node && namesOf(node).includes(selected)),
  );
  for (const node of group ? [group.original, ...group.variants] : [])
    if (node) for (const name of namesOf(node)) names.add(name);
  return names;
}

export const isSelected = (node: ProfileNode, names: ReadonlySet<string>): boolean =>
  namesOf(node).some((name) => names.has(name));

/** With one profile the other column stays empty. */
export function nodeRows(profiles: readonly NamedProfile[]): ComparedNode[] {
  const [original, variant] = profiles;
  if (!original) return [];
  if (variant) return compareNodes(original.value.profile, variant.value.profile);
  return original.value.profile.nodes.map((node) => ({
    id: node.id,
    original: node,
    variants: [],
    variant: null,
    difference: 'within noise',
  }));
}

export function opRows(profiles: readonly NamedProfile[]): ComparedOp[] {
  const [original, variant] = profiles;
  if (!original) return [];
  if (variant) return compareByOp(original.value.profile, variant.value.profile);
  return profileByOp(original.value.profile).map((op) => ({
    opType: op.opType,
    family: op.family,
    original: op,
    variant: null,
    difference: 'within noise',
  }));
}

/** Where a node comes from, in words. */
export function originText({ origin, fileNodes }: ProfileNode): string {
  if (origin === 'file') return 'the file';
  if (origin === 'runtime') return 'made by onnxruntime';
  const [first, ...others] = fileNodes;
  return `made by onnxruntime from ${first}${others.length > 0 ? ` and ${plural(others.length, 'more', 'more')}` : ''}`;
}

export function timeSummary(profiles: readonly NamedProfile[]): string {
  const sentences = profiles.map(({ name, value: { profile } }) => {
    const [first, second] = profileByOp(profile);
    if (!first) return `${name}: no node was timed.`;
    const also = second && second.share >= 0.05 ? `, ${second.opType} ${formatPercent(second.share)}` : '';
    return `${name}: ${first.opType} takes ${formatPercent(first.share)} of the nodes’ time (${formatMicroseconds(first.medianUs)})${also}.`;
  });
  const [original, variant] = profiles;
  if (original && variant)
    sentences.push(
      `All nodes together: ${formatMicroseconds(original.value.profile.sumUs)} and ${formatMicroseconds(variant.value.profile.sumUs)} (${formatDelta(variant.value.profile.sumUs / original.value.profile.sumUs - 1)}).`,
    );
  return sentences.join(' ');
}

/** What the figures hold for. */
export function conditionText({ value }: NamedProfile): string {
  const { engine, threads, graphOptimizationLevel, profile } = value;
  return `${plural(threads, 'thread')}, ${engine.name} ${engine.version}, optimization level ${graphOptimizationLevel}, median of ${plural(profile.runs, 'run')} after warming up`;
}

/** What measuring cost, and what became of the file's nodes. */
export function costText({ value: { latency, profile } }: NamedProfile): string {
  const { runUs, sumUs, notRun, nodes } = profile;
  const cost = formatDelta(runUs.median / 1000 / latency.medianMs - 1);
  const made = nodes.filter(({ origin }) => origin !== 'file').length;
  const gone: string[] = [];
  const handing =
    profile.dispatchUs === null ? '' : ` Handing nodes to the GPU took ${formatMicroseconds(profile.dispatchUs)}.`;
  if (notRun.absorbed > 0) gone.push(`${notRun.absorbed} of the file went into others`);
  if (notRun.untraced > 0) gone.push(`${notRun.untraced} were computed while loading or renamed`);
  return [
    `${formatMs(latency.medianMs)} without the profiler, ${formatMs(runUs.median / 1000)} with it (${cost}), ${formatMs(sumUs / 1000)} in nodes.`,
    `${plural(nodes.length, 'node')} ran, ${made} made by onnxruntime${gone.length > 0 ? `; ${gone.join(', ')}` : ''}.${handing}`,
  ].join(' ');
}

/** What areas add up to. A run that was held up counts less in it than in the median of the runs' sums. */
export const sumOfMedians = ({ value }: NamedProfile): number =>
  value.profile.nodes.reduce((sum, { medianUs }) => sum + (medianUs || 0), 0);

/** What is odd about profiles, and must be said beside them: a sentence with the names that it is true of. */
export function warningsOf(profiles: readonly NamedProfile[]): string[] {
  const named = (isOdd: (profile: NamedProfile) => boolean, text: string): string[] => {
    const names = profiles.filter(isOdd).map(({ name }) => name);
    return names.length > 0 ? [`${names.join(' and ')}: ${text}`] : [];
  };
  return [
    ...named(
      ({ value }) => !value.profile.hasGpuTimes,
      'this GPU gives no timestamps, so nodes on it show only what handing them over took, not what they computed.',
    ),
    ...named(
      ({ value: { profile } }) => profile.hasGpuTimes && profile.dispatchUs !== null,
      'times on the GPU are by its own timestamps. What handing nodes over took of the processor’s time is beside them; copies are shown without the wait for kernels before them.',
    ),
    ...named(
      ({ value: { profile } }) => profile.lostEvents > 0 || profile.unreadableLines > 0,
      'the trace was cut off, and what could not be read is not counted.',
    ),
    ...named(
      (profile) => profile.value.profile.sumUs > 1.3 * sumOfMedians(profile),
      'single runs were held up at one node or another, as happens when other programs compute too. Each node’s median leaves that out.',
    ),
    ...named(
      ({ value: { profile, latency } }) => profile.runUs.median / 1000 > 1.5 * latency.medianMs,
      'profiling itself takes a large part of the time, since the nodes are small. Read shares, not times.',
    ),
  ];
}

export function profileCsv(profiles: readonly NamedProfile[]): string {
  const head = ['variant', 'node', 'operator', 'provider', 'from', 'file_nodes', 'calls', 'median_us', 'p5_us'];
  const rest = ['p95_us', 'share', 'dispatch_us', 'macs', 'operations', 'bytes'];
  const rows = profiles.flatMap(({ name, value }) =>
    value.profile.nodes.map((node) => [
      ...[name, node.id, node.opType, node.provider, node.origin, node.fileNodes.join(' '), node.calls],
      ...[node.medianUs, node.p5Us, node.p95Us, node.share, node.dispatchUs, node.macs, node.flops, node.bytes],
    ]),
  );
  return csvText(
    [...head, ...rest],
    rows.map((row) => row.map((cell) => cell ?? '')),
  );
}
