/**
 * Tagging the words of a sentence with their part of speech (Brown corpus, base tags, files held out of training). A word's
 * tag is that of its first word piece. Primary metric: words tagged right; sentences are drawn as a whole for its interval.
 */
import type { JobContext } from '../../base/progress.ts';
import { argmax } from '../accuracy.ts';
import { gunzipIfNeeded } from '../arrays/unpack.ts';
import { int64Tensor } from '../host-tensors.ts';
import type { Evaluation, Feeds, MetricDefinition, Runner, Task, TaskDefinition, TaskFiles } from '../types.ts';
import { evaluateEach, readOutput, ScoreSheet } from './evaluate-samples.ts';
import { parseJson } from './parse-json.ts';

const ID = 'token-tagging';
const OUTPUT = 'logits';
const MAX_EXAMPLES = 20;

interface Sentence {
  readonly words: readonly string[];
  readonly tags: readonly string[];
  /** Word pieces. */
  readonly ids: readonly number[];
  /** Index of each word's first piece. */
  readonly starts: readonly number[];
}

const accuracy: MetricDefinition = {
  id: 'token-accuracy',
  title: 'Words whose tag is right',
  short: 'Word accuracy',
  direction: 'higher-is-better',
  format: 'percent',
  decimals: 2,
};

export const tokenTagging: TaskDefinition = {
  id: ID,
  title: 'Tag parts of speech',
  async load(files: TaskFiles): Promise<Task> {
    const [evaluation, calibration, vocabulary] = await Promise.all([
      loadSentences(files, 'eval'),
      loadSentences(files, 'calib'),
      files('vocab.json'),
    ]);
    const { tags } = parseJson(vocabulary, ID) as { tags: string[] };
    return {
      id: ID,
      title: tokenTagging.title,
      metrics: [accuracy],
      sampleCount: evaluation.length,
      latencyFeeds: () => sentenceFeeds(longest(calibration)),
      async *calibrationFeeds() {
        for (const sentence of calibration) yield sentenceFeeds(sentence);
      },
      evaluate: (runner, job, limit) => evaluateSentences(evaluation, tags, runner, job, limit),
    };
  },
};

async function loadSentences(files: TaskFiles, split: string): Promise<readonly Sentence[]> {
  const text = gunzipIfNeeded(await files(`${split}.json.gz`), ID);
  return (parseJson(text, ID) as { sentences: Sentence[] }).sentences;
}

const longest = (sentences: readonly Sentence[]) =>
  sentences.reduce((found, sentence) => (sentence.ids.length > found.ids.length ? sentence : found));

async function evaluateSentences(
  sentences: readonly Sentence[],
  tagNames: readonly string[],
  runner: Runner,
  job: JobContext,
  limit: number | undefined,
): Promise<Evaluation> {
  const sheet = new ScoreSheet();
  const examples: { expected: string; got: string }[] = [];
  const done = await evaluateEach(sentences, limit, job, async (sentence) => {
    const { dims, values } = readOutput(await runner.run(sentenceFeeds(sentence)), OUTPUT, 3);
    const classes = dims[2]!;
    let right = 0;
    for (const [word, start] of sentence.starts.entries()) {
      const got = tagNames[argmax(values, start * classes, (start + 1) * classes)] ?? '';
      const expected = sentence.tags[word]!;
      if (got === expected) right += 1;
      else if (examples.length < MAX_EXAMPLES) examples.push({ expected: `${sentence.words[word]}/${expected}`, got });
    }
    sheet.add(right, sentence.starts.length);
  });
  return { metrics: [sheet.value(accuracy)], scores: sheet.scores(), n: done.length, examples };
}

/** Sentences are not padded: each is fed at its own length. */
function sentenceFeeds({ ids }: Sentence): Feeds {
  const dims = [1, ids.length];
  return new Map([
    ['input_ids', int64Tensor(dims, ids)],
    [
      'attention_mask',
      int64Tensor(
        dims,
        ids.map(() => 1),
      ),
    ],
  ]);
}
