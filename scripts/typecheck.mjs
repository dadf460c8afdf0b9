// Type-checks every project of the repository, one after the other, and fails if any fails.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
let failed = false;
for (const project of ['core', 'web', 'service', 'node']) {
  const run = spawnSync('npx', ['tsc', '-p', `tsconfig.${project}.json`], { cwd: root, stdio: 'inherit' });
  failed ||= run.status !== 0;
}
process.exit(failed ? 1 : 0);
