// Bundles TypeScript modules for a bench script, so that it runs the code as it is, in Node or in a page.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** A temporary folder that is removed when the process ends. */
export function temporaryFolder(label) {
  const folder = mkdtempSync(join(tmpdir(), `whittle-${label}-`));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
  return folder;
}

/**
 * @param modules paths from the repository's root; everything they export is exported by the bundle
 * @param target 'node' or 'browser'
 * @returns path of the bundle, an ES module. With WHITTLE_BUNDLES=FOLDER in the environment, bundles are kept there and
 *   taken from there when they exist: so a bench runs where only Node is at hand
 */
export async function bundle(folder, name, modules, target) {
  const kept = process.env.WHITTLE_BUNDLES;
  if (!kept) return makeBundle(folder, name, modules, target);
  const path = join(kept, `${basename(process.argv[1], '.mjs')}-${name}.mjs`);
  if (!existsSync(path)) {
    mkdirSync(kept, { recursive: true });
    copyFileSync(await makeBundle(folder, name, modules, target), path);
  }
  return path;
}

async function makeBundle(folder, name, modules, target) {
  const { build } = await import('vite');
  const virtualId = `virtual:${name}`;
  const source = modules.map((path) => `export * from ${JSON.stringify(join(root, path))};`).join('\n');
  await build({
    root,
    configFile: false,
    logLevel: 'warn',
    publicDir: false,
    // Packages come along: the bundle lies where none can be found.
    ssr: { noExternal: true },
    plugins: [
      {
        name: 'bench-entry',
        resolveId: (id) => (id === virtualId ? id : undefined),
        load: (id) => (id === virtualId ? source : undefined),
      },
    ],
    build: {
      outDir: folder,
      emptyOutDir: false,
      minify: target === 'browser',
      target: target === 'browser' ? 'es2022' : 'node20',
      ssr: target === 'node',
      rolldownOptions: {
        input: { [name]: virtualId },
        preserveEntrySignatures: 'strict',
        external: target === 'node' ? [...builtinModules, /^node:/] : [],
        output: { entryFileNames: '[name].mjs', format: 'es' },
      },
    },
  });
  return join(folder, `${name}.mjs`);
}
