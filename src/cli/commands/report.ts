import { readFile } from 'node:fs/promises';
import { StudioError } from '../../core/base/errors/index.ts';
import { renderReport, reportFormatOf, reportFormats } from '../../core/report/render.ts';
import { reportSchema } from '../../core/study/results.ts';
import { type OptionSpec, parseCommandLine, UsageError } from '../args.ts';
import { writeTextFile } from '../write-model.ts';
import type { Command } from './command.ts';

const options = {
  out: {
    type: 'string',
    short: 'o',
    value: 'FILE',
    help: `what to write; its ending chooses the format: ${reportFormats.map((format) => `.${format}`).join(', ')} (default: text to standard output)`,
  },
  link: { type: 'string', value: 'URL', help: 'the link from the page, to be shown in the report' },
} satisfies Record<string, OptionSpec>;

export const report: Command = {
  name: 'report',
  usage: 'whittle report REPORT.json [-o FILE] [--link URL]',
  summary: 'Writes a report.json as HTML, Markdown, CSV or text.',
  options,
  run: async (args) => {
    const parsed = parseCommandLine(args, options);
    const [path, ...rest] = parsed.positionals;
    if (!path || rest.length > 0) throw new UsageError('report takes one report.json.');
    const read = reportSchema.safeParse(await readJson(path));
    if (!read.success) {
      const [issue] = read.error.issues;
      throw new UsageError(
        `${path} is no report of Whittle: ${issue?.path.join('.') || 'the top level'}: ${issue?.message}.`,
      );
    }
    const out = parsed.string('out');
    const format = out === undefined ? 'txt' : reportFormatOf(out);
    if (!format)
      throw new UsageError(
        `${out}: the ending says the format; it must be one of ${reportFormats.map((name) => `.${name}`).join(', ')}.`,
      );
    const text = renderReport(read.data, format, { link: parsed.string('link') });
    if (out === undefined) process.stdout.write(text);
    else await writeTextFile(out, text);
    return 0;
  },
};

async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new StudioError('file/unreadable', { name: path, reason: (error as Error).message }, error);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${path} is no JSON: ${(error as Error).message}`);
  }
}
