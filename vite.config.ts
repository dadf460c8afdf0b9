import { readFileSync } from 'node:fs';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { headers, reportSchema, serviceWorker, workerFileNames } from './scripts/lib/build-plugins.mjs';
import { engineHash } from './scripts/lib/engine-hash.mjs';
import { isolation } from './scripts/lib/headers.mjs';

const { version } = JSON.parse(readFileSync(new URL('./package.json', import.meta.url), 'utf8')) as { version: string };

export default defineConfig({
  // Relative, so that one build runs under any path of a static host.
  base: './',
  plugins: [react(), headers(), reportSchema(), serviceWorker()],
  define: { __WHITTLE_VERSION__: JSON.stringify(version), __WHITTLE_ENGINE__: JSON.stringify(engineHash()) },
  worker: {
    format: 'es',
    plugins: () => [],
    rolldownOptions: { output: { entryFileNames: workerFileNames } },
  },
  // The build of onnxruntime-web that takes its WASM from outside; ours is served from public/ort (scripts/assets.mjs).
  resolve: { conditions: ['onnxruntime-web-use-extern-wasm', 'module', 'browser', 'development|production'] },
  optimizeDeps: { exclude: ['onnxruntime-web'] },
  server: { headers: isolation },
  build: { target: 'es2023', chunkSizeWarningLimit: 900 },
});
