import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('the skeleton in ADDING-A-PASS.md compiles as a file of src/core/passes', () => {
  const text = readFileSync(`${root}docs/ADDING-A-PASS.md`, 'utf8');
  const skeleton = /```ts\n(\/\/ src\/core\/passes\/[\w-]+\.ts\n[\s\S]+?)```/.exec(text)?.[1];
  expect(skeleton).toBeDefined();
  // Beside src/core, so that the relative imports mean what they say, but outside of what anything else compiles.
  const folder = `${root}.cache/skeleton`;
  mkdirSync(folder, { recursive: true });
  try {
    writeFileSync(`${folder}/step.ts`, skeleton!.replaceAll("'../", "'../../src/core/"));
    const config = {
      extends: '../../tsconfig.base.json',
      compilerOptions: { lib: ['ES2023'], types: [] },
      files: ['step.ts', '../../src/core/globals.d.ts'],
    };
    writeFileSync(`${folder}/tsconfig.json`, JSON.stringify(config));
    const run = spawnSync(`${root}node_modules/.bin/tsc`, ['-p', folder], { encoding: 'utf8' });
    expect(run.stdout).toBe('');
    expect(run.status).toBe(0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
