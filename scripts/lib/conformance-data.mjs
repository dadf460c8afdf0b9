// The official ONNX conformance cases, as Debian packages them (libonnx-testdata, Apache-2.0): used where they are
// installed, else fetched with the system's package manager and unpacked below .cache, without being installed.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export function findConformanceData(root) {
  const candidates = [
    process.env.LIBONNX_TESTDATA,
    '/usr/share/libonnx-testdata/data',
    join(root, '.cache/libonnx-testdata/usr/share/libonnx-testdata/data'),
  ];
  return candidates.find((path) => path && existsSync(join(path, 'node')));
}

/** @returns the data directory, or undefined with the reason printed */
export function ensureConformanceData(root) {
  const found = findConformanceData(root);
  if (found) return found;
  if (!existsSync('/usr/bin/apt-get')) {
    console.log('Conformance data: no apt-get here; set LIBONNX_TESTDATA to the data folder of libonnx-testdata.');
    return undefined;
  }
  const cache = join(root, '.cache');
  mkdirSync(cache, { recursive: true });
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const shell = (words) =>
    spawnSync(words[0], words.slice(1), { cwd: cache, stdio: 'inherit', timeout: 600_000 }).status === 0;
  const download = () => shell(['apt-get', 'download', '-qq', 'libonnx-testdata']);
  if (!download()) {
    shell([...sudo, 'apt-get', 'update', '-qq']);
    download();
  }
  const archive = readdirSync(cache).find((name) => name.startsWith('libonnx-testdata') && name.endsWith('.deb'));
  if (archive) shell(['dpkg-deb', '-x', archive, 'libonnx-testdata']);
  return findConformanceData(root);
}
