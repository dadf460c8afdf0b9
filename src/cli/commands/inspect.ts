import { describeModel, type ModelCard } from '../../core/analysis/card.ts';
import { memoryTimeline } from '../../core/analysis/memory-plan.ts';
import type { OptionSpec } from '../args.ts';
import { parseCommandLine, UsageError } from '../args.ts';
import { formatBytes, formatTable } from '../format.ts';
import { memoryText } from '../memory-text.ts';
import { openModelFile } from '../open-model.ts';
import { terminalJob } from '../progress.ts';
import { chosenDims } from '../tasks.ts';
import type { Command } from './command.ts';

const options = {
  json: { type: 'boolean', help: 'print the model card, or with --memory all of that, as JSON' },
  memory: { type: 'boolean', help: 'predicted memory of one run instead: the peak, and the tensors that make it' },
  dim: { type: 'string', multiple: true, value: 'NAME=N', help: 'size of a free dimension, for --memory' },
  top: { type: 'string', value: 'N', help: 'show only the first so many tensors (default 15; 0: all)' },
} satisfies Record<string, OptionSpec>;

export const inspect: Command = {
  name: 'inspect',
  usage: 'whittle inspect MODEL [--memory [--dim NAME=N] [--top N]] [--json]',
  summary: 'What is in a model: inputs, outputs, sizes, operators, and what will not run where.',
  options,
  run: async (args) => {
    const parsed = parseCommandLine(args, options);
    const [path, ...rest] = parsed.positionals;
    if (!path || rest.length > 0) throw new UsageError('inspect takes one model.');
    const top = parsed.number('top', 15, { min: 0, max: 1_000_000, integer: true });
    const job = terminalJob();
    const file = await openModelFile(path, job);
    if (parsed.flag('memory')) {
      const timeline = memoryTimeline(file.model, chosenDims(file.model, parsed.strings('dim')));
      job.done();
      const whole = () => JSON.stringify({ file: file.name, fileBytes: file.fileBytes, ...timeline }, null, 2);
      process.stdout.write(`${parsed.flag('json') ? whole() : memoryText(file.name, timeline, top)}\n`);
      return 0;
    }
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

const providerNames = { wasm: 'WASM', webgpu: 'WebGPU', webnn: 'WebNN', cpu: 'CPU' } as const;

function describe(name: string, fileBytes: number, card: ModelCard): string {
  const { weights, nodes, opsets, irVersion, producer, portability } = card;
  const opsetText = Object.entries(opsets).map(([domain, version]) =>
    domain === 'ai.onnx' ? `${version}` : `${domain} ${version}`,
  );
  const lines = [
    `${name}  ${formatBytes(fileBytes)}`,
    `${weights.parameters.toLocaleString('en')} parameters, ${nodes.all} nodes, opset ${opsetText.join(', ') || 'not given'}, IR ${irVersion}${producer ? `, by ${producer}` : ''}`,
    ...card.warnings.map(({ text, advice }) => `Warning: ${text}\n  ${advice}`),
    section('Inputs', card.inputs.map(valueText)),
    section('Outputs', card.outputs.map(valueText)),
    section(
      'Weights',
      Object.entries(weights.byDType).map(([dtype, { bytes, tensors }]) => [
        dtype,
        formatBytes(bytes),
        `${tensors} tensors`,
      ]),
    ),
    section(
      'Operators',
      card.ops.map(({ op, count }) => [op, String(count)]),
    ),
  ];
  for (const provider of ['cpu', 'wasm', 'webgpu', 'webnn'] as const) {
    const issues = portability[provider].map(({ op, count, reason }) => [`${op} x ${count}`, reason]);
    if (issues.length > 0)
      lines.push(
        `Not fully on ${providerNames[provider]}\n${issues.map(([op, reason]) => `  ${op}: ${reason}`).join('\n')}`,
      );
  }
  if (card.quantization.isQuantized) lines.push(`Already quantized: ${card.quantization.schemes.join(', ')}`);
  for (const { value, text } of card.notes) lines.push(`Note on ${value}: ${text}`);
  return lines.join('\n');
}

function section(title: string, rows: readonly (readonly string[])[]): string {
  return `${title}\n${formatTable(
    rows.map(([first = '', ...rest]) => [`  ${first}`, ...rest]),
    'left',
  )}`;
}

function valueText({ name, dtype, shape, kind }: ModelCard['inputs'][number]): string[] {
  const dims = shape ? `[${shape.map((dim) => dim ?? '?').join(', ')}]` : 'of any rank';
  return [name, kind === 'tensor' ? `${dtype ?? '?'} ${dims}` : kind];
}
