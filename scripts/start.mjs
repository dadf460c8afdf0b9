// `npm start`: installs what is missing, builds what is stale, serves the built page and opens it.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureDependencies, isBuildStale, run } from './lib/toolchain.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const wanted = Number(process.env.PORT ?? 4173);

await ensureDependencies(root);
if (isBuildStale(root)) {
  console.log('Building (about half a minute)...');
  run('npm', ['run', '--silent', 'build'], root);
}

const { serve } = await import('./serve.mjs');
const server = await serve(join(root, 'dist'), { port: wanted }).catch((error) => {
  if (error.code !== 'EADDRINUSE') throw error;
  return serve(join(root, 'dist'), { port: 0 });
});
console.log(`Whittle runs at ${server.url}  (stop it with Ctrl+C)`);
if (process.stdout.isTTY && !process.env.CI && !process.argv.includes('--no-open')) openInBrowser(server.url);

function openInBrowser(url) {
  const [command, ...args] =
    process.platform === 'darwin'
      ? ['open', url]
      : process.platform === 'win32'
        ? ['cmd', '/c', 'start', '', url]
        : ['xdg-open', url];
  // A machine without a browser still has the address above.
  spawn(command, args, { stdio: 'ignore', detached: true })
    .on('error', () => {})
    .unref();
}
