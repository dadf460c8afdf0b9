// Fails on any import that the table below does not allow: the layering of docs/ARCHITECTURE.md, executable.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Layer (longest prefix wins) -> layers and packages it may import, itself always included. */
const rules = {
  'src/core/base': ['@noble/hashes', 'fflate'],
  'src/core/onnx': ['src/core/base', 'src/core/ir', 'zod'],
  'src/core/ir': ['src/core/base'],
  'src/core/shape': ['src/core/base', 'src/core/ir'],
  'src/core/analysis': ['src/core/base', 'src/core/ir', 'src/core/shape'],
  // The graph as a picture shows it: structure, groups, layout. Knows nothing of drawing.
  'src/core/graph-view': ['src/core/base', 'src/core/ir', 'src/core/shape', 'src/core/analysis'],
  // Compares graphs as they are shown, by what steps say they did.
  'src/core/diff': ['src/core/base', 'src/core/graph-view', 'src/core/step'],
  // Repositories of models: their addresses, their answers, which files make a model. Fetches nothing.
  'src/core/hub': ['src/core/base', 'zod'],
  'src/core/step': ['src/core/base', 'src/core/ir', 'src/core/onnx', 'src/core/shape', 'src/core/analysis', 'zod'],
  'src/core/passes': [
    'src/core/base',
    'src/core/ir',
    'src/core/onnx',
    'src/core/shape',
    'src/core/analysis',
    'src/core/step',
    'zod',
  ],
  'src/core/quant': [
    // Raising the opset is a pass's job that quantizers need too.
    'src/core/passes/support',
    'src/core/calib',
    'src/core/base',
    'src/core/ir',
    'src/core/onnx',
    'src/core/shape',
    'src/core/analysis',
    'src/core/step',
    'zod',
  ],
  'src/core/calib': [
    'src/core/base',
    'src/core/ir',
    'src/core/onnx',
    'src/core/shape',
    'src/core/analysis',
    'src/core/step',
    'zod',
  ],
  // Reads what a runtime says of a run; a study asks for it.
  'src/core/profile': ['src/core/base', 'src/core/ir', 'src/core/onnx', 'src/core/shape', 'src/core/analysis', 'zod'],
  'src/core/eval': ['src/core/base', 'src/core/ir', 'src/core/onnx', 'src/core/step', 'fflate', 'zod'],
  'src/core/recipe': [
    'src/core/base',
    'src/core/ir',
    'src/core/onnx',
    'src/core/shape',
    'src/core/analysis',
    'src/core/step',
    'src/core/passes',
    'src/core/quant',
    'src/core/calib',
    'zod',
    'fflate',
  ],
  // Measures models against each other, so it stands on quantizers and on the measures of agreement, and knows no study.
  'src/core/precision': [
    'src/core/base',
    'src/core/ir',
    'src/core/onnx',
    'src/core/shape',
    'src/core/analysis',
    'src/core/step',
    'src/core/calib',
    'src/core/quant',
    'src/core/eval',
    'src/core/recipe',
    'zod',
  ],
  // Tries recipes as a study does, so it stands on the study.
  'src/core/search': [
    'src/core/base',
    'src/core/ir',
    'src/core/analysis',
    'src/core/step',
    'src/core/eval',
    'src/core/recipe',
    'src/core/precision',
    'src/core/study',
    'src/core/report',
    'zod',
  ],
  'src/core/study': [
    'src/core/base',
    'src/core/hub',
    'src/core/ir',
    'src/core/onnx',
    'src/core/shape',
    'src/core/analysis',
    'src/core/profile',
    'src/core/step',
    'src/core/eval',
    'src/core/recipe',
    'zod',
    'fflate',
  ],
  'src/core/report': [
    'src/core/base',
    'src/core/ir',
    'src/core/step',
    'src/core/eval',
    'src/core/recipe',
    'src/core/study',
    'zod',
  ],
  // A study with its results and files, as one file.
  'src/core/project': [
    'src/core/base',
    'src/core/analysis',
    'src/core/eval',
    'src/core/recipe',
    'src/core/precision',
    'src/core/study',
    'zod',
  ],
  // Says a recipe in other tools' words.
  'src/core/handover': ['src/core/base', 'src/core/step', 'src/core/recipe'],
  'src/runtime': ['src/core', 'onnxruntime-web', 'onnxruntime-node', 'onnxruntime-common', 'node:'],
  'src/rpc': ['src/core', 'comlink'],
  'src/services': [
    'src/core',
    'src/runtime',
    'src/rpc',
    'idb-keyval',
    'browser-fs-access',
    'client-zip',
    'fflate',
    '@noble/hashes',
  ],
  'src/state': ['src/core', 'src/runtime', 'src/rpc', 'src/services', 'zustand'],
  'src/ui': [
    'src/core',
    'src/runtime',
    'src/rpc',
    'src/services',
    'src/state',
    'react',
    'react-dom',
    'recharts',
    '@base-ui/react',
    'lucide-react',
    'uqr',
    'react-error-boundary',
  ],
  'src/cli': ['src/core', 'src/runtime', 'node:'],
  'src/main.tsx': ['src', 'react', 'react-dom'],
  workers: ['src/core', 'src/runtime', 'src/rpc', 'src/services/worker'],
};
/** Only these files may import what the rest of their layer may not. */
const onlyIn = [
  { package: 'onnxruntime-web', files: /^src\/runtime\// },
  { package: 'onnxruntime-node', files: /^src\/runtime\/node-/ },
  { package: 'node:', files: /^src\/(cli\/|runtime\/node-)/ },
  { package: 'comlink', files: /^src\/rpc\// },
];

function* sources(directory) {
  for (const entry of readdirSync(join(root, directory), { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (/\.(ts|tsx)$/.test(entry.name)) yield path.split(sep).join('/');
  }
}

const layerNames = Object.keys(rules).sort((a, b) => b.length - a.length);
const layerOf = (path) => layerNames.find((name) => path === name || path.startsWith(`${name}/`));
const matches = (allowed, target) =>
  allowed.endsWith(':') ? target.startsWith(allowed) : target === allowed || target.startsWith(`${allowed}/`);

const importPattern =
  /(?:^|[\s;}])(?:import|export)\s+(?:type\s+)?(?:[\w*{}\s,$]+?\s+from\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|new URL\(\s*['"](\.[^'"]+\.tsx?)['"]/g;

let problems = 0;
let files = 0;
for (const directory of ['src', 'workers']) {
  for (const file of sources(directory)) {
    files += 1;
    const layer = layerOf(file);
    const report = (text) => {
      problems += 1;
      console.error(`${file}: ${text}`);
    };
    if (!layer) {
      if (!file.endsWith('.d.ts')) report('lies in no layer; add it to scripts/check-imports.mjs');
      continue;
    }
    const text = readFileSync(join(root, file), 'utf8');
    for (const match of text.matchAll(importPattern)) {
      const specifier = (match[1] ?? match[2] ?? match[3]).replace(/\?.*$/, '');
      const target = specifier.startsWith('.')
        ? posix.normalize(posix.join(dirname(file).split(sep).join('/'), specifier))
        : specifier;
      if (target.startsWith('workers/') && (layer === 'src/services' || layer === 'src/main.tsx')) continue;
      const own = matches(layer, target);
      if (!own && !rules[layer].some((allowed) => matches(allowed, target))) report(`must not import ${specifier}`);
      for (const rule of onlyIn)
        if (matches(rule.package, target) && !rule.files.test(file))
          report(`${rule.package} may be imported only in ${rule.files}`);
    }
  }
}
console.log(`imports: ${files} files, ${problems} problems (${relative(process.cwd(), root) || '.'})`);
process.exit(problems === 0 ? 0 : 1);
