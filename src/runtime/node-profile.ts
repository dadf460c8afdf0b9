/** onnxruntime-node writes its profile to a file: read line by line and deleted. */
import { createReadStream, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Profiler } from './ort-session.ts';

export const fileProfile: Profiler = {
  options: () => ({
    enableProfiling: true,
    // The runtime appends the time and .json, and leaves the file behind if nobody ends the profile.
    profileFilePrefix: join(profileFolder(), 'profile'),
  }),
  async end(session, { profileFilePrefix }, onLine) {
    session.endProfiling();
    const folder = dirname(profileFilePrefix!);
    for (const file of readdirSync(folder)) {
      const lines = createInterface({
        input: createReadStream(join(folder, file)),
        crlfDelay: Number.POSITIVE_INFINITY,
      });
      for await (const line of lines) onLine(line);
    }
    rmSync(folder, { recursive: true, force: true });
  },
};

let root: string | undefined;
let folders = 0;

function profileFolder(): string {
  if (root === undefined) {
    const created = mkdtempSync(join(tmpdir(), 'whittle-profile-'));
    // Profiles that nobody ends (cancelled, failed) must not stay on disk either.
    process.once('exit', () => rmSync(created, { recursive: true, force: true }));
    root = created;
  }
  folders += 1;
  const folder = join(root, String(folders));
  mkdirSync(folder);
  return folder;
}
