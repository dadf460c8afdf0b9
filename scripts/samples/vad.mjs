// Makes public/samples/silero-vad: clean speech with pauses, frame labels from its energy, and the places where the
// task cuts it. The noise is added by the task itself (src/core/eval/tasks/vad.ts), from a seed.
// Usage: node scripts/samples/vad.mjs            fetches Debian's pocketsphinx-testdata with apt-get (not installed)
//        node scripts/samples/vad.mjs DIRECTORY  where that package was unpacked
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import * as ort from 'onnxruntime-node';
import { createRng } from './rng.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const directory = join(root, 'public/samples/silero-vad');
const modelPath = join(root, 'node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx');
const FRAME = 512;
const CONTEXT = 64;
/** -20 dBFS: the level of speech in every clip after scaling. */
const SPEECH_RMS = 0.1;
const STRETCH_FRAMES = 48;
const LEAD_IN_FRAMES = 8;
const CALIBRATION_FRAMES = 128;

const splits = {
  calibration: ['cards/001.wav', 'cards/004.wav', 'librivox/sense_and_sensibility_01_austen_64kb-0880.wav'],
  evaluation: [
    'librivox/sense_and_sensibility_01_austen_64kb-0870.wav',
    'cards/002.wav',
    'goforward.raw',
    'librivox/sense_and_sensibility_01_austen_64kb-0890.wav',
    'numbers.raw',
    'cards/003.wav',
    'librivox/sense_and_sensibility_01_austen_64kb-0920.wav',
    'tidigits/dhd.2934z.raw',
    'cards/005.wav',
    'something.raw',
    'librivox/sense_and_sensibility_01_austen_64kb-0930.wav',
  ],
};

function unpackedPackage() {
  if (process.argv[2]) return { path: process.argv[2], remove: () => {} };
  const path = mkdtempSync(join(tmpdir(), 'pocketsphinx-'));
  execFileSync('apt-get', ['download', 'pocketsphinx-testdata'], { cwd: path, stdio: 'inherit' });
  const archive = readdirSync(path).find((name) => name.endsWith('.deb'));
  execFileSync('dpkg-deb', ['-x', join(path, archive), path]);
  return { path, remove: () => rmSync(path, { recursive: true }) };
}

/** 16 kHz, 16 bit, mono; .raw has no header. @returns {Float32Array} -1 to 1 */
function readClip(path) {
  const bytes = readFileSync(path);
  let data = bytes;
  if (bytes.toString('latin1', 0, 4) === 'RIFF') {
    let at = 12;
    while (bytes.toString('latin1', at, at + 4) !== 'data') at += 8 + bytes.readUInt32LE(at + 4);
    data = bytes.subarray(at + 8, at + 8 + bytes.readUInt32LE(at + 4));
  }
  return Float32Array.from({ length: data.length >> 1 }, (_, i) => data.readInt16LE(2 * i) / 32768);
}

const power = (samples) => samples.reduce((sum, x) => sum + x * x, 0) / samples.length;
const decibels = (value) => 10 * Math.log10(value + 1e-12);

/** Energy of each whole frame in dB below the clip's loud frames (their 95th percentile). */
function frameLevels(samples) {
  const levels = [];
  for (let at = 0; at + FRAME <= samples.length; at += FRAME)
    levels.push(decibels(power(samples.subarray(at, at + FRAME))));
  const loud = [...levels].sort((a, b) => a - b)[Math.floor(0.95 * (levels.length - 1))];
  return levels.map((level) => level - loud);
}

/**
 * '1' speech: within 22 dB of the loud frames. '0' no speech: 38 dB or more below them, two frames away from speech, and
 * in a pause of 10 frames (0.32 s) or longer. '-' everything else: nobody can say, so nobody is judged by it.
 */
function labelFrames(levels) {
  const labels = levels.map((level) => (level >= -22 ? '1' : level <= -38 ? '0' : '-'));
  const near = labels.map((_, i) => labels.slice(Math.max(0, i - 2), i + 3).includes('1'));
  const cleaned = labels.map((label, i) => (label === '0' && near[i] ? '-' : label));
  for (let start = 0; start < cleaned.length; ) {
    let end = start + 1;
    while (end < cleaned.length && (cleaned[end] === '0') === (cleaned[start] === '0')) end += 1;
    if (cleaned[start] === '0' && end - start < 10) cleaned.fill('-', start, end);
    start = end;
  }
  return cleaned.join('');
}

/** All clips at one level, with pauses of 1.1 to 2.7 s of digital silence between them. */
function buildTrack(names, data, rng) {
  const parts = [];
  let labels = '';
  const pause = () => {
    const frames = Math.round(rng.between(35, 85));
    parts.push(new Float32Array(frames * FRAME));
    labels += `-${'0'.repeat(frames - 2)}-`;
  };
  pause();
  for (const name of names) {
    const clip = readClip(join(data, name));
    const whole = clip.subarray(0, Math.floor(clip.length / FRAME) * FRAME);
    const clipLabels = labelFrames(frameLevels(whole));
    const speech = [...clipLabels].flatMap((label, i) =>
      label === '1' ? [...whole.subarray(i * FRAME, (i + 1) * FRAME)] : [],
    );
    const gain = SPEECH_RMS / Math.sqrt(power(speech));
    parts.push(whole.map((x) => x * gain));
    labels += clipLabels;
    pause();
  }
  const samples = new Float32Array(labels.length * FRAME);
  let at = 0;
  for (const part of parts) {
    samples.set(part, at);
    at += part.length;
  }
  return { samples, labels };
}

/** ITU-T G.711 mu-law, the continuous form with 256 levels, 128 being silence. */
function muLaw(sample) {
  const x = Math.min(1, Math.max(-1, sample));
  const y = (Math.sign(x) * Math.log1p(255 * Math.abs(x))) / Math.log1p(255);
  return Math.round(128 + 127 * y);
}

/** Calls Silero VAD v5 frame by frame and keeps the state that went into each frame. */
async function recordStates(samples, frames) {
  const session = await ort.InferenceSession.create(modelPath);
  const states = [];
  let state = new Float32Array(256);
  for (let i = 0; i < frames; i++) {
    states.push(state);
    const input = new Float32Array(CONTEXT + FRAME);
    for (let k = 0; k < input.length; k++) input[k] = samples[i * FRAME - CONTEXT + k] ?? 0;
    const outputs = await session.run({
      input: new ort.Tensor('float32', input, [1, input.length]),
      state: new ort.Tensor('float32', state, [2, 1, 128]),
      sr: new ort.Tensor('int64', BigInt64Array.of(16000n), []),
    });
    state = Float32Array.from(outputs.stateN.data);
  }
  return states;
}

function write(name, bytes) {
  const packed = gzipSync(bytes, { level: 9 });
  packed[9] = 255;
  writeFileSync(join(directory, `${name}.bin`), packed);
  return packed.length;
}

const { path, remove } = unpackedPackage();
const data = join(path, 'usr/share/pocketsphinx/test/data');
const rng = createRng(20_240_603);
mkdirSync(directory, { recursive: true });
for (const [name, clips] of Object.entries(splits)) {
  const { samples, labels } = buildTrack(clips, data, rng);
  const stretches = [];
  if (name === 'evaluation')
    for (let at = LEAD_IN_FRAMES; at + STRETCH_FRAMES <= labels.length; at += STRETCH_FRAMES) stretches.push(at);
  rng.shuffle(stretches);
  const description = {
    sampleRate: 16000,
    frameSamples: FRAME,
    speechRms: SPEECH_RMS,
    stretchFrames: STRETCH_FRAMES,
    leadInFrames: LEAD_IN_FRAMES,
    stretches,
    labels,
  };
  writeFileSync(join(directory, `${name}.json`), `${JSON.stringify(description)}\n`);
  const bytes = write(name, Uint8Array.from(samples, muLaw));
  const count = (label) => [...labels].filter((found) => found === label).length;
  console.log(
    `${name}: ${(samples.length / 16000).toFixed(1)} s, ${stretches.length} stretches, frames: ${count('1')} speech, ${count('0')} none, ${count('-')} left out; ${bytes} bytes`,
  );
  if (name !== 'calibration') continue;
  // Frames spread over the track; the states were made by the original model on the clean speech.
  const states = await recordStates(samples, labels.length);
  const chosen = Array.from({ length: CALIBRATION_FRAMES }, (_, i) =>
    Math.floor((i * labels.length) / CALIBRATION_FRAMES),
  );
  const values = Float32Array.from(chosen.flatMap((i) => [...states[i]]));
  const stateBytes = write('calibration-states', new Uint8Array(values.buffer));
  writeFileSync(join(directory, 'calibration-frames.json'), `${JSON.stringify({ frames: chosen })}\n`);
  console.log(`calibration states: ${chosen.length} frames, ${stateBytes} bytes`);
}
remove();
