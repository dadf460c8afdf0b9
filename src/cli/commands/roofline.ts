import { type Ceilings, roofOf } from '../../core/profile/ceilings.ts';
import { type RooflineNode, rooflineOf } from '../../core/profile/roofline.ts';
import { measureCeilings } from '../../core/study/ceilings-run.ts';
import type { ModelFiles } from '../../core/study/ports.ts';
import { type OptionSpec, parseCommandLine } from '../args.ts';
import { formatBytes, formatTable, formatMicroseconds as us } from '../format.ts';
import { createNodeInfer } from '../node-host.ts';
import { type NamedProfile, profileChosen, profileConditions, profileOptions } from '../profile-choice.ts';
import { terminalJob } from '../progress.ts';
import { writeTextFile } from '../write-model.ts';
import type { Command } from './command.ts';

const options = {
  ...profileOptions,
  json: { type: 'string', value: 'FILE', help: 'write all of it as JSON ("-" for standard output)' },
} satisfies Record<string, OptionSpec>;

export const roofline: Command = {
  name: 'roofline',
  usage: 'whittle roofline (MODEL | --sample ID) [--recipe FILE | --preset NAME] [--runs N] [--top N] [--json FILE]',
  summary: 'What bounds each node: this device’s peak rates, predicted against measured times.',
  options,
  run: async (args) => {
    const parsed = parseCommandLine(args, options);
    const top = parsed.number('top', 15, { min: 0, max: 1_000_000, integer: true });
    const job = terminalJob();
    const chosen = await profileChosen('roofline', parsed, job);
    const ceilings = await measureCeilings<ModelFiles>({
      target: chosen.run.target,
      openInfer: async () => createNodeInfer(),
      toHandle: (bytes) => ({ graph: [bytes], externalData: [] }),
      wallClock: () => new Date().toISOString(),
      job,
    });
    job.done();
    const roof = roofOf(ceilings);
    const rooflines = chosen.profiles.map((named) => ({ named, line: rooflineOf(named.value.profile, roof) }));
    const json = parsed.string('json');
    const content = {
      ceilings,
      roof,
      variants: rooflines.map(({ named, line }) => ({
        name: named.name,
        latencyMs: named.value.latency.medianMs,
        ...line,
      })),
    };
    const text = `${JSON.stringify(content, null, 2)}\n`;
    if (json === '-') process.stdout.write(text);
    else {
      if (json) await writeTextFile(json, text);
      const parts = rooflines.map(({ named, line }) =>
        [profileConditions(chosen, named), ...totals(named, line), ...nodeTable(line.nodes, top)].join('\n'),
      );
      process.stdout.write(`${[ceilingText(ceilings), ...parts].join('\n\n')}\n`);
    }
    return 0;
  },
};

function ceilingText(ceilings: Ceilings): string {
  const roof = roofOf(ceilings);
  const largest = ceilings.bandwidth.at(-1)!;
  const int8 = ceilings.int8.length > 0 ? `, ${(roof.int8PerUs / 1000).toFixed(1)} Gop/s in 8-bit integers` : '';
  return [
    `Measured on this device (${ceilings.engine.name} ${ceilings.engine.version}, ${ceilings.threads} threads):`,
    `  ${(roof.float32PerUs / 1000).toFixed(1)} GFLOP/s in float32${int8}`,
    `  ${(roof.bytesPerUs / 1000).toFixed(1)} GB/s with arrays of ${formatBytes(largest.arrayBytes)}, ${(roof.cachedBytesPerUs / 1000).toFixed(1)} GB/s in cache`,
    `  ${roof.overheadUs.toFixed(0)} us for the smallest node`,
  ].join('\n');
}

function totals({ name, value }: NamedProfile, line: ReturnType<typeof rooflineOf>): string[] {
  const bounds = (['compute', 'memory', 'overhead'] as const).map((bound) => {
    const nodes = line.nodes.filter((node) => node.bound === bound);
    const time = nodes.reduce((sum, { node }) => sum + node.medianUs, 0);
    return `${bound} ${nodes.length} nodes, ${us(time)}`;
  });
  return [
    `${name}: predicted ${us(line.predictedUs)} (with starting each node ${us(line.predictedWithOverheadUs)}), measured ${us(line.measuredUs)} in nodes, ${us(value.latency.medianMs * 1000)} in all`,
    `  bound by: ${bounds.join('; ')}${line.unknownNodes > 0 ? `; sizes unknown: ${line.unknownNodes} nodes, ${us(line.unknownUs)}` : ''}`,
  ];
}

function nodeTable(nodes: readonly RooflineNode[], top: number): string[] {
  const sorted = [...nodes].sort((a, b) => b.node.medianUs - a.node.medianUs);
  const shown = top > 0 ? sorted.slice(0, top) : sorted;
  const rows = shown.map(({ node, intensity, gigaOpsPerSecond, predictedUs, bound }) => [
    node.id,
    node.opType,
    intensity === null ? '–' : intensity.toFixed(2),
    gigaOpsPerSecond === null ? '–' : gigaOpsPerSecond.toFixed(2),
    predictedUs === null ? '–' : us(predictedUs),
    us(node.medianUs),
    bound,
  ]);
  const table = formatTable([['node', 'operator', 'op/byte', 'Gop/s', 'predicted', 'measured', 'bound by'], ...rows]);
  const rest = nodes.length - shown.length;
  return rest > 0 ? [table, `${rest} more rows (--top 0 shows all).`] : [table];
}
