/** The end of a search in plain words. */
import type { SearchBook } from './book.ts';
import type { Objective } from './results.ts';
import type { Runner } from './runner.ts';

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`;
const percent = (share: number) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

export interface Ending {
  readonly objective: Objective;
  readonly recommended: number | null;
}

export function reasonFor<Handle>(runner: Runner<Handle>, book: SearchBook<Handle>, ending: Ending): string {
  const { objective, recommended } = ending;
  const tried = book.entries.filter(({ point }) => !['original', 'open', 'skipped', 'broken'].includes(point.status));
  const count = `${tried.length} ${tried.length === 1 ? 'recipe was' : 'recipes were'} evaluated`;
  if (recommended === null) return nothingFound(runner, book, objective, count);
  const { recipe, point } = runner.entry(recommended);
  const [before, after] = [runner.bytesOf(0), runner.bytesOf(recommended)];
  const size = `${megabytes(after)} instead of ${megabytes(before)} (${percent(1 - after / before)} smaller)`;
  const speed = speedText(runner, recommended);
  const facts = objective === 'size' ? [size, speed] : [speed, size];
  const best = objective === 'size' ? 'the smallest' : 'the fastest';
  const sentences = [
    `${recipe.name}: ${facts.filter((fact) => fact !== '').join('; ')}.`,
    point.reason,
    `It is ${best} within the gate; ${count}${runner.isSpent ? ', which is all that the budget allows' : ''}.`,
    nextSmaller(runner, book, recommended, objective),
  ];
  return sentences.filter((sentence) => sentence !== '').join(' ');
}

function speedText<Handle>(runner: Runner<Handle>, index: number): string {
  const { ratio, difference } = runner.speedOf(index);
  if (!Number.isFinite(ratio)) return '';
  if (difference === 'within noise') return 'as fast as the original within noise';
  return difference === 'faster'
    ? `${(1 / ratio).toFixed(2)} times as fast as the original`
    : `slower than the original (${ratio.toFixed(2)} times its time)`;
}

/** What stands in the way of a smaller one: a recommendation convinces by what was refused. */
function nextSmaller<Handle>(
  runner: Runner<Handle>,
  book: SearchBook<Handle>,
  recommended: number,
  objective: Objective,
): string {
  if (objective !== 'size') return '';
  const smaller = book.entries
    .map((entry, index) => ({ entry, bytes: runner.bytesOf(index) }))
    .filter(
      ({ entry, bytes }) =>
        bytes < runner.bytesOf(recommended) && ['failed', 'inconclusive'].includes(entry.point.status),
    )
    .sort((a, b) => b.bytes - a.bytes)[0];
  if (!smaller) return '';
  const { entry, bytes } = smaller;
  const verb = entry.point.status === 'failed' ? 'failed' : 'could not be shown to pass';
  return `The next smaller one (${entry.recipe.name}, ${megabytes(bytes)}) ${verb}: ${entry.point.reason}`;
}

function nothingFound<Handle>(
  runner: Runner<Handle>,
  book: SearchBook<Handle>,
  objective: Objective,
  count: string,
): string {
  const passed = book.entries.filter(({ point }) => point.status === 'passed');
  if (passed.length > 0)
    return objective === 'latency'
      ? `Nothing within the gate is faster than the original beyond noise; ${count}.`
      : `Nothing within the gate is smaller than the original; ${count}.`;
  const nearest = book.entries
    .filter(({ point }) => point.status === 'failed' || point.status === 'inconclusive')
    .map((entry) => ({ entry, worse: entry.measurement?.verdict?.worse ?? Number.POSITIVE_INFINITY }))
    .sort((a, b) => a.worse - b.worse)[0];
  const broken = book.entries.find(({ point }) => point.status === 'broken');
  if (!nearest)
    return broken
      ? `Nothing could be evaluated: ${broken.point.reason}`
      : `Nothing was evaluated${runner.isSpent ? ', since the budget allows nothing' : ''}.`;
  return `Nothing stays within the gate; ${count}. The nearest is ${nearest.entry.recipe.name}: ${nearest.entry.point.reason}`;
}
