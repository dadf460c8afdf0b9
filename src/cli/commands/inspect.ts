import { describeModel } from '../../core/analysis/card.ts';
import type { OptionSpec } from '../args.ts';
import { parseCommandLine, UsageError } from '../args.ts';
import { formatBytes, formatTable } from '../format.ts';
import { openModelFile } from '../open-model.ts';
import { terminalJob } from '../progress.ts';
import type { Command } from './command.ts';

const options = {
  json: { type: 'boolean', help: 'print the model card as JSON' },
} satisfies Record<string, OptionSpec>;

export const inspect: Command = {
  name: 'inspect',
  usage: 'whittle inspect MODEL [--json]',
  summary: 'What is in a model: inputs, outputs, sizes, operators, and what will not run where.',
  options,
  run: async (args) => {
    const parsed = parseCommandLine(args, options);
    const [path, ...rest] = parsed.positionals;
    if (!path || rest.length > 0) throw new UsageError('inspect takes one model.');
    const job = terminalJob();
    const file = await openModelFile(path, job);
    const card = describeModel(file.model);
    job.done();
    if (parsed.flag('json')) {
      process.stdout.write(`${JSON.stringify({ file: file.name, fileBytes: file.fileBytes, ...card }, null, 2)}\n`);
      return 0;
    }
    process.stdout.write(`${describe(file.name, file.fileBytes, card)}\n`);
    return 0;
  },
};

function describe(name: string, fileBytes: number, card: ReturnType<typeof describeModel>): string {
  const shape = (dims: readonly (string | number | null)[] | undefined) =>
    dims ? `[${dims.map((dim) => dim ?? '?').join(', ')}]` : '[?]';
  const values = (list: readonly { name: string; dtype?: string; shape?: readonly (string | number | null)[] }[]) =>
    list.map((value) => `  ${value.name}  ${value.dtype ?? '?'} ${shape(value.shape)}`).join('\n');
  const operators = Object.entries(card.opHistogram).sort((a, b) => b[1] - a[1]);
  const lines = [
    `${name}  ${formatBytes(fileBytes)}`,
    `${card.parameterCount.toLocaleString('en')} parameters, ${card.nodeCount.all} nodes, opset ${Object.entries(
      card.opsets,
    )
      .map(([domain, version]) => (domain === '' || domain === 'ai.onnx' ? version : `${domain} ${version}`))
      .join(', ')}, IR ${card.irVersion}${card.producer ? `, by ${card.producer}` : ''}`,
    `Inputs\n${values(card.inputs)}`,
    `Outputs\n${values(card.outputs)}`,
    `Weights\n${formatTable(Object.entries(card.weightBytesByDtype).map(([dtype, bytes]) => [`  ${dtype}`, formatBytes(bytes)]))}`,
    `Operators\n${formatTable(operators.map(([op, count]) => [`  ${op}`, String(count)]))}`,
  ];
  return lines.join('\n');
}
