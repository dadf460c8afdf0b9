import { basename, join } from 'node:path';
import { allHandovers, handOver, handoverFormats } from '../../core/handover/all.ts';
import type { Handover, HandoverFormat } from '../../core/handover/types.ts';
import { type OptionSpec, parseCommandLine, UsageError } from '../args.ts';
import { formatTable } from '../format.ts';
import { chosenRecipe } from '../recipes.ts';
import { writeTextFile } from '../write-model.ts';
import type { Command } from './command.ts';

const options = {
  recipe: { type: 'string', value: 'FILE', help: 'a recipe.json' },
  preset: { type: 'string', value: 'NAME', help: 'a preset' },
  link: { type: 'string', value: 'URL', help: 'a link from the page' },
  variant: {
    type: 'string',
    value: 'NAME',
    help: 'which variant of the link (default: the first that is not the original)',
  },
  to: { type: 'string', value: 'FORMAT', help: `${handoverFormats.join(', ')} (default: list what there is)` },
  model: { type: 'string', value: 'NAME', help: 'the model file that the result names (default: model.onnx)' },
  out: {
    type: 'string',
    short: 'o',
    value: 'FOLDER',
    help: 'write the file there (made if missing) instead of printing it',
  },
} satisfies Record<string, OptionSpec>;

export const handover: Command = {
  name: 'handover',
  usage: 'whittle handover (--recipe FILE | --preset NAME | --link URL) [--to FORMAT] [--model NAME] [-o FOLDER]',
  summary: 'Says a recipe in the words of another tool, and what maps exactly.',
  options,
  run: async (args) => {
    const parsed = parseCommandLine(args, options);
    if (parsed.positionals.length > 0) throw new UsageError('handover takes no model file; name it with --model.');
    const link = parsed.string('link');
    const recipe = await chosenRecipe(parsed.string('recipe'), parsed.string('preset'), link, parsed.string('variant'));
    const context = { recipe, modelFile: basename(parsed.string('model') ?? 'model.onnx'), link };
    const format = parsed.string('to');
    if (format === undefined) {
      process.stdout.write(`${overview(allHandovers(context))}\n`);
      return 0;
    }
    if (!isFormat(format))
      throw new UsageError(`There is no format "${format}". There are: ${handoverFormats.join(', ')}.`);
    const made = handOver(format, context);
    if (made.fit === 'none') {
      process.stderr.write(`${made.title} has no counterpart of this recipe.\n${made.notes.missing.join('\n')}\n`);
      return 1;
    }
    await emit(made, parsed.string('out'));
    return 0;
  },
};

async function emit(made: Handover, folder: string | undefined): Promise<void> {
  const files = [{ fileName: made.fileName, text: made.text }, ...(made.companions ?? [])];
  if (folder === undefined) {
    process.stdout.write(files.map(({ text }) => text).join('\n'));
    return;
  }
  for (const { fileName, text } of files) {
    const path = join(folder, fileName);
    await writeTextFile(path, text, { intoFolder: true });
    process.stdout.write(`${path}\n`);
  }
}

function isFormat(name: string): name is HandoverFormat {
  return handoverFormats.some((format) => format === name);
}

const fits = { exact: 'exact', approximate: 'approximate', none: 'none' } as const;

function overview(all: readonly Handover[]): string {
  const rows = all.map(({ format, title, fit, notes }) => [
    format,
    fits[fit],
    fit === 'none' ? (notes.missing.at(-1) ?? 'nothing in the recipe to say there') : title,
  ]);
  return formatTable([['format', 'fit', ''], ...rows], 'left');
}
