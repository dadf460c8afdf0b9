// What the build does beside bundling: policies into the page and beside it.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { headersFile, headersFor, metaPolicy } from './headers.mjs';
import { servicePlan } from './service-plan.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * The content security policy in the built page itself, for hosts that send no headers; a `_headers` file for those that
 * read one; and the same headers from `vite preview`. Not in development, whose hot reload is made of inline parts.
 * @returns {import('vite').Plugin}
 */
export function headers() {
  let base = '/';
  return {
    name: 'whittle-headers',
    configResolved(config) {
      base = new URL(config.base, 'http://host/').pathname;
    },
    configurePreviewServer(server) {
      server.middlewares.use((request, response, next) => {
        const { pathname } = new URL(request.url ?? '/', 'http://host');
        const path = pathname.startsWith(base) ? pathname.slice(base.length - 1) : pathname;
        for (const [name, value] of Object.entries(headersFor(path))) response.setHeader(name, value);
        next();
      });
    },
    transformIndexHtml: {
      order: 'pre',
      handler(html, { server }) {
        if (server) return html;
        const charset = '<meta charset="utf-8" />';
        if (!html.includes(charset))
          throw new Error('index.html: the policy stands behind the charset, which is missing');
        const meta = `<meta http-equiv="Content-Security-Policy" content="${metaPolicy}" />`;
        return html.replace(charset, `${charset}\n    ${meta}`);
      },
    },
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: '_headers', source: headersFile() });
    },
  };
}

/**
 * The schema of report.json, published beside the page.
 * @returns {import('vite').Plugin}
 */
export function reportSchema() {
  return {
    name: 'whittle-report-schema',
    generateBundle() {
      const source = readFileSync(`${root}docs/report.schema.json`);
      this.emitFile({ type: 'asset', fileName: 'report.schema.json', source });
    },
  };
}

/** The worker whose policy lets it fetch from anywhere lies apart, so that a host can tell it by its path. */
export const workerFileNames = ({ name }) => `${name === 'fetch' ? 'remote' : 'assets'}/[name]-[hash].js`;

/**
 * Builds the service worker when everything else is written, since it must know every file: one classic script beside the
 * page, with a name that never changes.
 * @returns {import('vite').Plugin}
 */
export function serviceWorker() {
  let outDir = '';
  return {
    name: 'whittle-service-worker',
    apply: 'build',
    enforce: 'post',
    configResolved(config) {
      outDir = config.build.outDir;
    },
    async closeBundle() {
      await build({
        configFile: false,
        root,
        publicDir: false,
        logLevel: 'warn',
        define: { __OFFLINE_PLAN__: JSON.stringify(servicePlan(resolve(root, outDir))) },
        build: {
          target: 'es2023',
          outDir,
          emptyOutDir: false,
          rolldownOptions: {
            input: `${root}workers/service.ts`,
            output: { format: 'iife', entryFileNames: 'service.js' },
          },
        },
      });
    },
  };
}
