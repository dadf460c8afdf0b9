import { profileByOp } from '../../core/profile/by-op.ts';
import type { ModelProfile, ProfileNode } from '../../core/profile/types.ts';
import { compareByOp, compareNodes, operatorText, type TimeDifference } from '../../core/study/profile-compare.ts';
import { type OptionSpec, parseCommandLine } from '../args.ts';
import { formatTable, formatMicroseconds as us } from '../format.ts';
import {
  type ChosenProfile,
  type NamedProfile,
  profileChosen,
  profileConditions,
  profileOptions,
} from '../profile-choice.ts';
import { terminalJob } from '../progress.ts';
import { writeTextFile } from '../write-model.ts';
import type { Command } from './command.ts';

const options = {
  ...profileOptions,
  json: { type: 'string', value: 'FILE', help: 'write all of it as JSON ("-" for standard output)' },
} satisfies Record<string, OptionSpec>;

export const profile: Command = {
  name: 'profile',
  usage: 'whittle profile (MODEL | --sample ID) [--recipe FILE | --preset NAME] [--runs N] [--top N] [--json FILE]',
  summary: 'Where the time of a run goes: by operator and by node, as the runtime times them.',
  options,
  run: async (args) => {
    const parsed = parseCommandLine(args, options);
    const top = parsed.number('top', 15, { min: 0, max: 1_000_000, integer: true });
    const job = terminalJob();
    const chosen = await profileChosen('profile', parsed, job);
    job.done();
    const json = parsed.string('json');
    const text = `${JSON.stringify({ ...chosen.run, names: chosen.profiles.map(({ name }) => name) }, null, 2)}\n`;
    if (json === '-') process.stdout.write(text);
    else {
      if (json) await writeTextFile(json, text);
      process.stdout.write(`${report(chosen, top)}\n`);
    }
    return 0;
  },
};

function report(chosen: ChosenProfile, top: number): string {
  const [original, variant] = chosen.profiles;
  const lines = chosen.profiles.flatMap((one) => [...summary(chosen, one), '']);
  if (variant) lines.push(...opComparison(original!, variant, top), '', ...nodeComparison(original!, variant, top));
  else lines.push(...opTable(original!.value.profile, top), '', ...nodeTable(original!.value.profile, top));
  return lines.join('\n');
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

function summary(chosen: ChosenProfile, named: NamedProfile): string[] {
  const { latency, profile: model } = named.value;
  const { notRun, runUs, sumUs } = model;
  const made = model.nodes.filter(({ origin }) => origin !== 'file').length;
  const overhead = runUs.median / 1000 / latency.medianMs - 1;
  const lines = [
    `${named.name}: ${profileConditions(chosen, named)}`,
    `  ${us(latency.medianMs * 1000)} without the profiler, ${us(runUs.median)} with it (${overhead < 0 ? '' : '+'}${(100 * overhead).toFixed(0)} %); all nodes together ${us(sumUs)}`,
    `  ${model.nodes.length} nodes ran, ${made} of them made by onnxruntime; ${notRun.absorbed} of the file went into others, ${notRun.untraced} were computed while loading or renamed`,
  ];
  if (model.lostEvents > 0 || model.unreadableLines > 0)
    lines.push(
      `  The trace was cut off: ${model.lostEvents} events and ${model.unreadableLines} lines are not counted.`,
    );
  return lines;
}

function opTable(model: ModelProfile, top: number): string[] {
  const ops = profileByOp(model);
  const rows = ops.map(({ opType, nodes, medianUs, p5Us, p95Us, share }) => [
    opType,
    String(nodes),
    us(medianUs),
    `${us(p5Us)} to ${us(p95Us)}`,
    percent(share),
  ]);
  return withRest([['operator', 'nodes', 'median', '5 to 95 %', 'share'], ...rows], top);
}

function nodeTable({ nodes }: ModelProfile, top: number): string[] {
  const sorted = [...nodes].sort((a, b) => b.medianUs - a.medianUs);
  const rows = sorted.map((node) => [
    node.id,
    node.opType,
    us(node.medianUs),
    `${us(node.p5Us)} to ${us(node.p95Us)}`,
    percent(node.share),
    origin(node),
  ]);
  return withRest([['node', 'operator', 'median', '5 to 95 %', 'share', 'from'], ...rows], top);
}

/** What of the file it stands for. */
function origin({ origin: kind, fileNodes }: ProfileNode): string {
  if (kind === 'file') return 'the file';
  if (kind === 'runtime') return 'made by onnxruntime';
  const [first, ...others] = fileNodes;
  return `made by onnxruntime from ${first}${others.length > 0 ? ` and ${others.length} more` : ''}`;
}

function opComparison(original: NamedProfile, variant: NamedProfile, top: number): string[] {
  const rows = compareByOp(original.value.profile, variant.value.profile).map((op) => [
    op.opType,
    op.original ? us(op.original.medianUs) : '–',
    op.variant ? us(op.variant.medianUs) : '–',
    difference(op.original?.medianUs, op.variant?.medianUs),
    verdict(op.difference),
  ]);
  return withRest([['operator', original.name, variant.name, 'difference', ''], ...rows], top);
}

function nodeComparison(original: NamedProfile, variant: NamedProfile, top: number): string[] {
  const rows = compareNodes(original.value.profile, variant.value.profile).map((node) => [
    (node.original ?? node.variants[0])!.id,
    operatorText(node),
    node.original ? us(node.original.medianUs) : '–',
    node.variant ? us(node.variant.medianUs) : '–',
    difference(node.original?.medianUs, node.variant?.medianUs),
    verdict(node.difference),
  ]);
  return withRest([['node', 'operator', original.name, variant.name, 'difference', ''], ...rows], top);
}

function difference(before: number | undefined, after: number | undefined): string {
  const delta = (after ?? 0) - (before ?? 0);
  return `${delta < 0 ? '-' : '+'}${us(Math.abs(delta))}`;
}

const verdict = (kind: TimeDifference) => (kind === 'faster' || kind === 'slower' ? '' : kind);

function withRest(rows: readonly (readonly string[])[], top: number): string[] {
  const shown = top > 0 ? rows.slice(0, top + 1) : rows;
  const rest = rows.length - shown.length;
  return [formatTable(shown), ...(rest > 0 ? [`${rest} more rows (--top 0 shows all).`] : [])];
}
