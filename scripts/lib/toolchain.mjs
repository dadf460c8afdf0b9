// What `npm start` and `npm test` need before any dependency is installed: Node built-ins only.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Runs a command with its output shown. @returns whether it succeeded */
function attempt(command, args, cwd, env) {
  const options = { cwd, stdio: 'inherit', env: { ...process.env, ...env }, shell: process.platform === 'win32' };
  return spawnSync(command, args, options).status === 0;
}

/** Runs a command with its output shown; ends this process when it fails. */
export function run(command, args, cwd, env = {}) {
  const result = spawnSync(command, args, {
    cwd,
    stdio: 'inherit',
    env: { ...process.env, ...env },
    shell: process.platform === 'win32',
  });
  if (result.status !== 0) {
    console.error(`${command} ${args.join(' ')} failed (${result.error?.message ?? `exit ${result.status}`}).`);
    process.exit(result.status ?? 1);
  }
}

/** Installs dependencies when they are missing or older than the lock file says. */
export async function ensureDependencies(root) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(`Whittle needs Node 20.19 or newer; this is ${process.versions.node}.`);
    process.exit(2);
  }
  const installed = join(root, 'node_modules/.package-lock.json');
  const lock = join(root, 'package-lock.json');
  if (existsSync(installed) && sameLock(installed, lock)) return;
  console.log('Installing dependencies (a few minutes the first time)...');
  // onnxruntime-node's install script downloads CUDA libraries; its CPU binary, all that Whittle uses, is in the package.
  const env = { ONNXRUNTIME_NODE_INSTALL: 'skip' };
  const flags = ['--no-audit', '--no-fund', '--loglevel=error'];
  if (attempt('npm', ['ci', ...flags], root, env)) return;
  // A mirror may lack builds for other platforms, which `npm ci` insists on; `npm install` takes what there is.
  run('npm', ['install', '--no-save', ...flags], root, env);
}

/** npm's hidden lock file lists what is installed; optional packages of other platforms are missing from it. */
function sameLock(installedPath, lockPath) {
  const installed = JSON.parse(readFileSync(installedPath, 'utf8')).packages;
  const wanted = JSON.parse(readFileSync(lockPath, 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, entry]) => path === '' || entry.optional || installed[path]?.version === entry.version,
  );
}

/** Is anything that goes into the build newer than the build? */
export function isBuildStale(root) {
  const built = [join(root, 'dist/index.html'), join(root, 'dist-node/whittle.js')];
  if (!built.every((path) => existsSync(path))) return true;
  const builtAt = Math.min(...built.map((path) => statSync(path).mtimeMs));
  const inputs = [
    'src',
    'workers',
    'public',
    'index.html',
    'package-lock.json',
    'vite.config.ts',
    'vite.node.config.ts',
    'scripts/assets.mjs',
    'scripts/lib',
    'scripts/samples/packed',
  ];
  return inputs.some((path) => newest(join(root, path)) > builtAt);
}

function newest(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}
