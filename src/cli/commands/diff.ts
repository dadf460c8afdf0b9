import { diffGraphs } from '../../core/diff/diff.ts';
import type { DiffItem, GraphDiff, StepLog } from '../../core/diff/types.ts';
import type { GraphDocument } from '../../core/graph-view/document.ts';
import { extractGraph } from '../../core/graph-view/extract.ts';
import { presets } from '../../core/recipe/presets.ts';
import { buildVariant } from '../../core/study/variant.ts';
import { type OptionSpec, type Parsed, parseCommandLine, UsageError } from '../args.ts';
import { formatBytes, formatTable } from '../format.ts';
import { nodeExecutor } from '../node-host.ts';
import { openModelFile } from '../open-model.ts';
import { terminalJob } from '../progress.ts';
import { chosenRecipe } from '../recipes.ts';
import { temporaryStore } from '../store.ts';
import type { Command } from './command.ts';

const options = {
  recipe: { type: 'string', value: 'FILE', help: 'compare the model with what this recipe makes of it' },
  preset: { type: 'string', value: 'NAME', help: presets.map(({ id }) => id).join(', ') },
  link: { type: 'string', value: 'URL', help: 'a link from the page' },
  variant: { type: 'string', value: 'NAME', help: 'which variant of the link' },
  kind: { type: 'string', value: 'KIND', help: 'only these: fused, replaced, removed, added, changed' },
  top: { type: 'string', value: 'N', help: 'how many to list (default 50; 0 for all)' },
  json: { type: 'boolean', help: 'print everything as JSON' },
} satisfies Record<string, OptionSpec>;

export const diff: Command = {
  name: 'diff',
  usage: 'whittle diff BEFORE.onnx (AFTER.onnx | --recipe FILE | --preset NAME | --link URL) [--kind KIND] [--json]',
  summary:
    'What is different between two models, or what a recipe changes and which step did it; exit code 1 if anything.',
  options,
  run: async (args) => {
    const parsed = parseCommandLine(args, options);
    const { before, after, log } = await bothSides(parsed);
    const result = diffGraphs(before, after, log);
    const kind = parsed.string('kind');
    if (kind !== undefined && !(kind in result.counts))
      throw new UsageError(`--kind takes ${Object.keys(result.counts).join(', ')}; it was "${kind}".`);
    const items = kind === undefined ? result.items : result.items.filter((item) => item.kind === kind);
    const top = parsed.number('top', 50, { min: 0, max: 1_000_000, integer: true });
    if (parsed.flag('json')) {
      const named = items.map((item) => ({ ...item, ...namesOf(item, before, after) }));
      process.stdout.write(`${JSON.stringify({ ...result, items: named }, null, 2)}\n`);
    } else process.stdout.write(`${text(result, items, before, after, top)}\n`);
    return result.items.length > 0 ? 1 : 0;
  },
};

interface Sides {
  readonly before: GraphDocument;
  readonly after: GraphDocument;
  readonly log: StepLog;
}

async function bothSides(parsed: Parsed): Promise<Sides> {
  const [path, other, ...rest] = parsed.positionals;
  if (!path || rest.length > 0) throw new UsageError('diff takes one model and a recipe, or two models.');
  const recipes = ['recipe', 'preset', 'link'].map((name) => parsed.string(name));
  if ((other !== undefined) === recipes.some((given) => given !== undefined))
    throw new UsageError('give a second model, or one of --recipe, --preset and --link.');
  const job = terminalJob();
  const { model, sha256 } = await openModelFile(path, job);
  if (other !== undefined) {
    const second = await openModelFile(other, job);
    job.done();
    return { before: extractGraph(model), after: extractGraph(second.model), log: [] };
  }
  const recipe = await chosenRecipe(recipes[0], recipes[1], recipes[2], parsed.string('variant'));
  const built = await buildVariant({
    model,
    modelKey: await sha256(),
    recipe,
    job,
    store: temporaryStore(),
    executor: nodeExecutor(),
    now: () => performance.now(),
  });
  job.done();
  return { before: extractGraph(model), after: extractGraph(built.model), log: built.facts.ledger };
}

function namesOf({ before, after, beforeScope, afterScope }: DiffItem, one: GraphDocument, other: GraphDocument) {
  const name = (document: GraphDocument, scope: number) => (index: number) =>
    document.scopes[scope]!.nodes[index]!.name;
  return { beforeNames: before.map(name(one, beforeScope)), afterNames: after.map(name(other, afterScope)) };
}

function text(
  result: GraphDiff,
  items: readonly DiffItem[],
  before: GraphDocument,
  after: GraphDocument,
  top: number,
): string {
  const { counts, nodesBefore, nodesAfter, unchanged, weightBytesBefore, weightBytesAfter } = result;
  const found = Object.entries(counts).filter(([, count]) => count > 0);
  const head = [
    `${nodesBefore} nodes -> ${nodesAfter}; ${unchanged} unchanged${found.map(([kind, count]) => `, ${count} ${kind}`).join('')}`,
    `weights: ${formatBytes(weightBytesBefore)} -> ${formatBytes(weightBytesAfter)}`,
  ];
  if (items.length === 0) return [...head, ...(result.items.length === 0 ? ['no differences'] : [])].join('\n');
  const shown = top === 0 ? items : items.slice(0, top);
  const rows = shown.map((item) => {
    const { beforeNames, afterNames } = namesOf(item, before, after);
    return [
      item.kind,
      item.title,
      shortened(item.details.join('; ') || (afterNames[0] ?? beforeNames[0] ?? '')),
      item.steps.join(', '),
    ];
  });
  const more = items.length > shown.length ? [`and ${items.length - shown.length} more (--top 0 lists all)`] : [];
  return [...head, '', formatTable([['kind', 'operators', 'node', 'by'], ...rows], 'left'), ...more].join('\n');
}

const shortened = (line: string) => (line.length > 72 ? `${line.slice(0, 71)}…` : line);
