import { chmodSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { defineConfig } from 'vite';

const { version } = JSON.parse(readFileSync(new URL('./package.json', import.meta.url), 'utf8')) as { version: string };

/** The command line tool, and the same core as a library for the scripts under bench/ and test/. */
export default defineConfig({
  define: { __WHITTLE_VERSION__: JSON.stringify(version) },
  publicDir: false,
  // So that it can be run by its name; npm sets the bit only where it makes the link itself.
  plugins: [{ name: 'executable', writeBundle: ({ dir = '' }) => chmodSync(join(dir, 'whittle.js'), 0o755) }],
  build: {
    ssr: true,
    target: 'node20',
    outDir: 'dist-node',
    rolldownOptions: {
      input: { whittle: 'src/cli/main.ts', core: 'src/cli/library.ts', 'compute-worker': 'src/cli/compute-worker.ts' },
      external: [...builtinModules, /^node:/, /^onnxruntime-/],
    },
  },
});
