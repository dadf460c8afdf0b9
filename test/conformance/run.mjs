// The official ONNX test cases through Whittle: every case that onnxruntime passes on the original file must pass after
// read -> write, after all cleanup and fusion steps, and raised to the newest opset, at the same tolerance; no case may
// crash or hang.
//   node test/conformance/run.mjs [name filter]        data: LIBONNX_TESTDATA or /usr/share/libonnx-testdata/data
import { fork, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const data = process.env.LIBONNX_TESTDATA ?? '/usr/share/libonnx-testdata/data';
const filter = process.argv[2] ?? '';
const CASE_TIMEOUT_MS = 30_000;
const WORKERS = 2;

if (!existsSync(data)) {
  console.error(`conformance: no test data at ${data} (install Debian's libonnx-testdata or set LIBONNX_TESTDATA)`);
  process.exit(2);
}
if (!process.env.WHITTLE_CORE && !existsSync(join(root, 'dist-node/core.js'))) {
  spawnSync('npm', ['run', '--silent', 'build:node'], {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
}

const cases = ['node', 'pytorch-converted', 'pytorch-operator', 'simple']
  .flatMap((group) => readdirSync(join(data, group)).map((name) => `${group}/${name}`))
  .filter((name) => name.includes(filter) && existsSync(join(data, name, 'model.onnx')));

/** Per case: stage -> { ok, reason }. Stages: baseline, round-trip, raised, simplified. */
const results = new Map(cases.map((name) => [name, new Map()]));
const queue = [...cases];
let finished = 0;
let engine = '';

function startWorker(done) {
  const child = fork(join(root, 'test/conformance/worker.mjs'), [data], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let current;
  let stage = 'start';
  let timer;
  let errors = '';
  child.stderr.on('data', (text) => {
    errors = (errors + text).slice(-2000);
  });
  const next = () => {
    clearTimeout(timer);
    current = queue.shift();
    stage = 'start';
    if (current === undefined) {
      child.disconnect();
      return;
    }
    timer = setTimeout(() => {
      results
        .get(current)
        .set(stage, { ok: false, fatal: true, reason: `no answer within ${CASE_TIMEOUT_MS / 1000} s` });
      child.kill('SIGKILL');
    }, CASE_TIMEOUT_MS);
    child.send(current);
  };
  child.on('message', (message) => {
    if (message.kind === 'ready') {
      engine = message.engine;
      next();
    } else if (message.kind === 'entering') stage = message.stage;
    else if (message.kind === 'result') results.get(current).set(message.stage, message);
    else if (message.kind === 'done') {
      finished += 1;
      if (finished % 100 === 0) console.log(`conformance: ${finished} of ${cases.length}`);
      next();
    }
  });
  child.on('exit', (code, signal) => {
    clearTimeout(timer);
    if (engine === '') console.error(errors);
    if (current === undefined) return done();
    const outcome = results.get(current);
    if (!outcome.get(stage)?.fatal) {
      outcome.set(stage, {
        ok: false,
        fatal: true,
        reason: `the process ended (${signal ?? code}) ${errors.slice(-300)}`,
      });
    }
    finished += 1;
    startWorker(done);
  });
}

const started = Date.now();
await Promise.all(Array.from({ length: WORKERS }, () => new Promise(startWorker)));

if (engine === '') {
  console.error('conformance: no worker started');
  process.exit(2);
}

const regressions = [];
let baselinePasses = 0;
let unchanged = 0;
let raised = 0;
const firings = new Map();
for (const [name, stages] of results) {
  const baseline = stages.get('baseline');
  if (baseline?.ok) baselinePasses += 1;
  for (const stage of ['start', 'round-trip', 'raised', 'simplified']) {
    const result = stages.get(stage);
    if (stage === 'start' && result === undefined) continue;
    if (result?.ok) continue;
    // Where the runtime itself fails on the original, only our own crash, hang or fault counts.
    if (!baseline?.ok && !result?.fatal && !result?.fault) continue;
    if (!baseline?.ok && baseline?.fatal && result === undefined) continue;
    regressions.push(`${name}: ${stage}: ${result?.reason ?? 'did not run'}`);
  }
  const simplified = stages.get('simplified');
  for (const step of simplified?.fired ?? []) firings.set(step, (firings.get(step) ?? 0) + 1);
  if (simplified?.fired?.length === 0) unchanged += 1;
  if (simplified?.settled === false) regressions.push(`${name}: simplified: still changing in the last round`);
  if (stages.get('raised')?.fired?.includes('raise-opset')) raised += 1;
}
const passes = (stage) =>
  [...results.values()].filter((stages) => stages.get('baseline')?.ok && stages.get(stage)?.ok).length;
for (const line of regressions) console.log(`REGRESSION ${line}`);
console.log(
  `conformance: steps by the number of cases they changed: ${[...firings].map(([step, count]) => `${step} ${count}`).join(', ')}`,
);
const failed = [...results.values()].filter((stages) => !stages.get('baseline')?.ok);
const mismatched = failed.filter((stages) => stages.get('baseline')?.mismatch).length;
console.log(
  `conformance: ${cases.length} cases, ${engine}: ${baselinePasses} pass as they are ` +
    `(${mismatched} differ, ${failed.length - mismatched} cannot run), ${passes('round-trip')} after read -> write, ` +
    `${passes('raised')} at the newest opset (${raised} raised), ${passes('simplified')} after simplification ` +
    `(${unchanged} left as they were); ${regressions.length} regressions, ` +
    `${((Date.now() - started) / 1000).toFixed(1)} s`,
);
process.exit(regressions.length === 0 && baselinePasses > 0 ? 0 : 1);
