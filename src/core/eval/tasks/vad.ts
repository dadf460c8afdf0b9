/**
 * Finding speech in noise with Silero VAD v5 (snakers4/silero-vad, utils_vad.py OnnxWrapper): frames of 512 samples at
 * 16 kHz, each preceded by the last 64 samples of the one before; the LSTM state is fed back. Clean speech is mixed here
 * with low-passed noise at 20, 5 and 0 dB; every noise has a seed of its own, so all variants hear the same.
 */
import { throwIfCancelled } from '../../base/cancel.ts';
import type { JobContext } from '../../base/progress.ts';
import { createRng } from '../../base/rng.ts';
import { gunzipIfNeeded } from '../arrays/unpack.ts';
import { confusionAt, f1Terms } from '../binary-classification.ts';
import { float32Tensor, int64Tensor } from '../host-tensors.ts';
import type { Evaluation, Feeds, MetricDefinition, Runner, Task, TaskDefinition, TaskFiles } from '../types.ts';
import { aucValue, type ScoredGroup } from './auc-value.ts';
import { evaluateEach, readOutput, ScoreSheet } from './evaluate-samples.ts';
import { parseJson } from './parse-json.ts';

const ID = 'voice-activity';
const CONTEXT = 64;
const STATE_DIMS = [2, 1, 128] as const;
const STATE_LENGTH = 256;
const THRESHOLD = 0.5;
const LEVELS_DB = [20, 5, 0] as const;
/** One pole at this: about -3 dB at 900 Hz, -15 dB at 8 kHz. */
const NOISE_POLE = 0.7;
/** Frames between two turns of the host's event loop. */
const FRAMES_PER_YIELD = 32;

/** What scripts/samples/vad.mjs writes; `labels` has one character a frame: 1 speech, 0 none, - not judged. */
interface TrackDescription {
  readonly sampleRate: number;
  readonly frameSamples: number;
  readonly speechRms: number;
  readonly stretchFrames: number;
  readonly leadInFrames: number;
  readonly stretches: readonly number[];
  readonly labels: string;
}

interface Track extends TrackDescription {
  /** -1 to 1. */
  readonly samples: Float32Array;
}

/** A piece of the track in one noise: it starts from an empty state, and its lead-in frames are not judged. */
interface Stretch {
  readonly firstFrame: number;
  readonly levelDb: number;
}

const f1Metric = (id: string, where: string): MetricDefinition => ({
  id,
  title: `F1 at probability ${THRESHOLD}${where && ` in noise at ${where}`}`,
  short: where ? `F1 ${where}` : 'F1',
  direction: 'higher-is-better',
  format: 'decimal',
  decimals: 3,
});
const aucMetric = (id: string, where: string): MetricDefinition => ({
  ...f1Metric(id, where),
  title: `Area under the ROC curve${where && ` in noise at ${where}`}`,
  short: where ? `AUC ${where}` : 'AUC',
});
const levelName = (levelDb: number) => `${levelDb} dB`;
const metrics = {
  f1: f1Metric('f1', ''),
  auc: aucMetric('auc', ''),
  f1At: LEVELS_DB.map((level) => f1Metric(`f1-${level}db`, levelName(level))),
  aucAt: LEVELS_DB.map((level) => aucMetric(`auc-${level}db`, levelName(level))),
};

export const voiceActivity: TaskDefinition = {
  id: ID,
  title: 'Find speech in noise',
  async load(files: TaskFiles): Promise<Task> {
    const [track, calibration, states, frames] = await Promise.all([
      loadTrack(files, 'evaluation'),
      loadTrack(files, 'calibration'),
      files('calibration-states.bin'),
      files('calibration-frames.json'),
    ]);
    const recorded = readStates(gunzipIfNeeded(states, ID));
    const chosen = (parseJson(frames, ID) as { frames: number[] }).frames;
    // Levels take turns, so that the first N stretches are a fair sample of all three.
    const stretches = track.stretches.flatMap((_, i) =>
      LEVELS_DB.map((_level, k): Stretch => {
        const at = (i + k * Math.ceil(track.stretches.length / LEVELS_DB.length)) % track.stretches.length;
        return { firstFrame: track.stretches[at]!, levelDb: LEVELS_DB[k]! };
      }),
    );
    const calibrationFeed = (i: number) =>
      frameFeeds(window(calibration.samples, chosen[i]! * track.frameSamples, track), recorded(i), track.sampleRate);
    return {
      id: ID,
      title: voiceActivity.title,
      metrics: [metrics.f1, metrics.auc, ...metrics.f1At, ...metrics.aucAt],
      sampleCount: stretches.length,
      latencyFeeds: () => calibrationFeed(chosen.findIndex((frame) => calibration.labels[frame] === '1')),
      async *calibrationFeeds() {
        for (let i = 0; i < chosen.length; i++) yield calibrationFeed(i);
      },
      evaluate: (runner, job, limit) => evaluateStretches(track, stretches, runner, job, limit),
    };
  },
};

async function loadTrack(files: TaskFiles, name: string): Promise<Track> {
  const [text, packed] = await Promise.all([files(`${name}.json`), files(`${name}.bin`)]);
  const description = parseJson(text, ID) as TrackDescription;
  return { ...description, samples: decodeMuLaw(gunzipIfNeeded(packed, ID)) };
}

/** ITU-T G.711 mu-law in its continuous form: code 128 is silence, 1 and 255 full scale. */
export function decodeMuLaw(codes: Uint8Array): Float32Array {
  const table = Float32Array.from({ length: 256 }, (_, code) => {
    const y = (code - 128) / 127;
    return (Math.sign(y) * (256 ** Math.abs(y) - 1)) / 255;
  });
  return Float32Array.from(codes, (code) => table[code]!);
}

function readStates(bytes: Uint8Array): (i: number) => Float32Array {
  const values = new Float32Array(bytes.slice().buffer);
  return (i) => values.slice(i * STATE_LENGTH, (i + 1) * STATE_LENGTH);
}

async function evaluateStretches(
  track: Track,
  stretches: readonly Stretch[],
  runner: Runner,
  job: JobContext,
  limit: number | undefined,
): Promise<Evaluation> {
  const sheet = new ScoreSheet();
  const sheetAt = LEVELS_DB.map(() => new ScoreSheet());
  const groups: ScoredGroup[] = [];
  const groupsAt: ScoredGroup[][] = LEVELS_DB.map(() => []);
  const done = await evaluateEach(stretches, limit, job, async (stretch) => {
    const group = await scoreStretch(track, stretch, runner, job);
    const level = (LEVELS_DB as readonly number[]).indexOf(stretch.levelDb);
    const { numerator, denominator } = f1Terms(confusionAt(group.scores, group.labels, THRESHOLD));
    sheet.add(numerator, denominator);
    sheetAt[level]!.add(numerator, denominator);
    groups.push(group);
    groupsAt[level]!.push(group);
  });
  return {
    metrics: [
      sheet.value(metrics.f1),
      aucValue(metrics.auc, groups),
      ...metrics.f1At.map((metric, k) => sheetAt[k]!.value(metric)),
      ...metrics.aucAt.map((metric, k) => aucValue(metric, groupsAt[k]!)),
    ].filter(({ value }) => !Number.isNaN(value)),
    scores: sheet.scores(),
    n: done.length,
  };
}

/** Runs frame after frame; returns probabilities and labels of the judged frames. */
async function scoreStretch(track: Track, stretch: Stretch, runner: Runner, job: JobContext): Promise<ScoredGroup> {
  const { frameSamples, leadInFrames, stretchFrames, sampleRate, labels } = track;
  const samples = noisyStretch(track, stretch);
  const scores: number[] = [];
  const truths: boolean[] = [];
  let state: Float32Array = new Float32Array(STATE_LENGTH);
  for (let i = 0; i < leadInFrames + stretchFrames; i++) {
    if (i % FRAMES_PER_YIELD === FRAMES_PER_YIELD - 1) await job.yield();
    throwIfCancelled(job.signal);
    const feeds = frameFeeds(window(samples, i * frameSamples, track), state, sampleRate);
    const outputs = await runner.run(feeds);
    state = Float32Array.from(readOutput(outputs, 'stateN', 3).values);
    const label = labels[stretch.firstFrame - leadInFrames + i];
    if (i < leadInFrames || (label !== '0' && label !== '1')) continue;
    scores.push(readOutput(outputs, 'output', 2).values[0]!);
    truths.push(label === '1');
  }
  return { scores, labels: truths };
}

/** Lead-in and stretch with noise whose power is `levelDb` below that of speech. */
function noisyStretch(track: Track, { firstFrame, levelDb }: Stretch): Float32Array {
  const { frameSamples, leadInFrames, stretchFrames, speechRms } = track;
  const start = (firstFrame - leadInFrames) * frameSamples;
  const mixed = track.samples.slice(start, start + (leadInFrames + stretchFrames) * frameSamples);
  const rng = createRng(`${firstFrame}/${levelDb}`);
  // A sum of four uniforms has variance 1/3; the filter multiplies it by (1 - pole) / (1 + pole).
  const rms = Math.sqrt((1 - NOISE_POLE) / (1 + NOISE_POLE) / 3);
  const gain = (speechRms * 10 ** (-levelDb / 20)) / rms;
  let filtered = 0;
  for (let i = 0; i < mixed.length; i++) {
    const white = rng.uniform() + rng.uniform() + rng.uniform() + rng.uniform() - 2;
    filtered = NOISE_POLE * filtered + (1 - NOISE_POLE) * white;
    mixed[i] = Math.max(-1, Math.min(1, mixed[i]! + gain * filtered));
  }
  return mixed;
}

/** The frame that starts at sample `start`, with the context before it; zeros before the beginning. */
function window(samples: Float32Array, start: number, { frameSamples }: Track): Float32Array {
  const values = new Float32Array(CONTEXT + frameSamples);
  const from = Math.max(0, start - CONTEXT);
  values.set(samples.subarray(from, start + frameSamples), from - (start - CONTEXT));
  return values;
}

function frameFeeds(input: Float32Array, state: Float32Array, sampleRate: number): Feeds {
  return new Map([
    ['input', float32Tensor([1, input.length], input)],
    ['state', float32Tensor(STATE_DIMS, state)],
    ['sr', int64Tensor([], [sampleRate])],
  ]);
}
