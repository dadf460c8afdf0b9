// What figures depend on, in a few letters: results that another build has kept are measured anew, and those of a build that
// only looks different are not.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folders = ['src/core', 'src/runtime', 'workers'];

/** @returns eight hexadecimal digits of the SHA-256 over paths and contents of what builds, runs and judges variants */
export function engineHash() {
  const hash = createHash('sha256');
  for (const folder of folders) {
    const files = readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(root.length))
      .sort();
    for (const path of files)
      hash
        .update(`${path}\0`)
        .update(readFileSync(join(root, path)))
        .update('\0');
  }
  return hash.digest('hex').slice(0, 8);
}
