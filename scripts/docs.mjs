// `npm run docs`: rewrites the documents that are made from code (test/unit/generated-docs.test.ts holds the makers).
import { fileURLToPath } from 'node:url';
import { run } from './lib/toolchain.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
run('npx', ['vitest', 'run', '--config', 'vitest.config.ts', 'test/unit/generated-docs.test.ts'], root, {
  WHITTLE_UPDATE_DOCS: '1',
});
