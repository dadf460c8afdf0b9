#!/usr/bin/env node
import { asStudioError } from '../core/base/errors/index.ts';
import { exitCodeOf, UsageError } from './args.ts';
import type { Command } from './commands/command.ts';
import { compare } from './commands/compare.ts';
import { diff } from './commands/diff.ts';
import { handover } from './commands/handover.ts';
import { inspect } from './commands/inspect.ts';
import { lens } from './commands/lens.ts';
import { optimize } from './commands/optimize.ts';
import { profile } from './commands/profile.ts';
import { report } from './commands/report.ts';
import { roofline } from './commands/roofline.ts';
import { search } from './commands/search.ts';
import { sensitivity } from './commands/sensitivity.ts';
import { waterfall } from './commands/waterfall.ts';

const commands: readonly Command[] = [
  inspect,
  optimize,
  compare,
  diff,
  search,
  sensitivity,
  lens,
  handover,
  profile,
  waterfall,
  roofline,
  report,
];

function help(command?: Command): string {
  if (!command) {
    const rows = commands.map(({ name, summary }) => `  ${name.padEnd(12)} ${summary}`);
    return [
      'Whittle: optimize ONNX models and measure what that did.',
      '',
      ...rows,
      '',
      'whittle COMMAND --help lists its options.',
    ].join('\n');
  }
  const rows = Object.entries(command.options).map(([name, { short, value, help: text }]) => {
    const flags = `${short ? `-${short}, ` : ''}--${name}${value ? ` ${value}` : ''}`;
    return `  ${flags.padEnd(20)} ${text}`;
  });
  return [command.usage, '', command.summary, '', ...rows].join('\n');
}

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === '--version' || name === '-v') {
    process.stdout.write(`${__WHITTLE_VERSION__}\n`);
    return 0;
  }
  const command = commands.find((candidate) => candidate.name === name);
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(`${help(commands.find((candidate) => candidate.name === rest[0]))}\n`);
    return name === undefined ? 2 : 0;
  }
  if (!command)
    throw new UsageError(
      `There is no command "${name}". There are: ${commands.map((known) => known.name).join(', ')}.`,
    );
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(`${help(command)}\n`);
    return 0;
  }
  return command.run(rest);
}

function explain(error: unknown): string {
  if (error instanceof UsageError) return `${error.message}\nSee whittle --help.`;
  const { message, advice, code, cause } = asStudioError(error);
  const detail = code === 'internal/unexpected' && cause instanceof Error ? `\n${cause.stack}` : '';
  return `${message}\n${advice}  [${code}]${detail}`;
}

// `whittle ... | head` closes the pipe early; what was asked for has been shown.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 3));

let code: number;
try {
  code = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`\n${explain(error)}\n`);
  code = exitCodeOf(error);
}
// Runtimes keep worker threads alive; everything that was asked for is done. Standard output is flushed first.
process.stdout.write('', () => process.exit(code));
