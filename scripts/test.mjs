// `npm test`: installs what it needs, then runs every check there is, and ends with "N passed, N failed".
// `npm test -- unit browser` runs the named stages only.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureDependencies } from './lib/toolchain.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const cache = join(root, '.cache');
mkdirSync(cache, { recursive: true });

await ensureDependencies(root);
const { ensureChromium } = await import('./lib/chromium.mjs');
const { ensureConformanceData } = await import('./lib/conformance-data.mjs');

/** One check that passes or fails as a whole. */
const check = (name, command, args) => ({
  name,
  run: () => ({ passed: 0, failed: 0, ...countOne(execute(command, args)) }),
});
const countOne = (okay) => (okay ? { passed: 1 } : { failed: 1 });

/** A Vitest project: every test counts. */
const vitest = (name, config, env) => ({
  name,
  run: () => {
    const output = join(cache, `${name}.json`);
    rmSync(output, { force: true });
    const okay = execute(
      'npx',
      ['vitest', 'run', '--config', config, '--reporter=default', '--reporter=json', `--outputFile.json=${output}`],
      env?.(),
    );
    if (!existsSync(output)) return { passed: 0, failed: 1 };
    const { numPassedTests, numFailedTests, numTotalTests } = JSON.parse(readFileSync(output, 'utf8'));
    // A file that does not load has no tests to count, and an empty run proves nothing.
    const hidden = (!okay && numFailedTests === 0) || numTotalTests === 0 ? 1 : 0;
    return { passed: numPassedTests, failed: numFailedTests + hidden };
  },
});

const stages = [
  check('types', 'node', ['scripts/typecheck.mjs']),
  check('lint', 'npx', ['biome', 'check', '.']),
  check('imports', 'node', ['scripts/check-imports.mjs']),
  check('build', 'npm', ['run', '--silent', 'build']),
  vitest('unit', 'vitest.config.ts'),
  {
    name: 'conformance',
    run: () => {
      const data = ensureConformanceData(root);
      if (!data) return { passed: 0, failed: 1 };
      return {
        passed: 0,
        failed: 0,
        ...countOne(execute('node', ['test/conformance/run.mjs'], { LIBONNX_TESTDATA: data })),
      };
    },
  },
  vitest('browser', 'vitest.browser.config.ts', () => ({ WHITTLE_CHROMIUM: chromium })),
];

function execute(command, args, env = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    // The same dates and number formats everywhere.
    env: { ...process.env, TZ: 'UTC', LC_ALL: 'C.UTF-8', npm_config_loglevel: 'error', ...env },
    shell: process.platform === 'win32',
  });
  return result.status === 0;
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !stages.some((stage) => stage.name === name));
if (unknown.length > 0) {
  console.error(`No such stage: ${unknown.join(', ')}. There are: ${stages.map(({ name }) => name).join(', ')}.`);
  process.exit(2);
}
const chosen = stages.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
const needs = (...names) => chosen.some(({ name }) => names.includes(name));
const chromium = needs('unit', 'browser') ? await ensureChromium(root) : undefined;
if (chromium) process.env.WHITTLE_CHROMIUM = chromium;
const data = needs('unit') ? ensureConformanceData(root) : undefined;
if (data) process.env.LIBONNX_TESTDATA = data;

const rows = [];
for (const [index, stage] of chosen.entries()) {
  console.log(`\n== ${index + 1}/${chosen.length} ${stage.name}`);
  const start = Date.now();
  const counts = stage.run();
  const seconds = ((Date.now() - start) / 1000).toFixed(1);
  rows.push({ name: stage.name, ...counts });
  console.log(`== ${stage.name}: ${counts.passed} passed, ${counts.failed} failed in ${seconds} s`);
}
const passed = rows.reduce((sum, row) => sum + row.passed, 0);
const failed = rows.reduce((sum, row) => sum + row.failed, 0);
console.log(
  `\nFailed stages: ${
    rows
      .filter((row) => row.failed > 0)
      .map((row) => row.name)
      .join(', ') || 'none'
  }`,
);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
