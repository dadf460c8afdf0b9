// Which operators the WebGPU execution provider of the installed onnxruntime-node has float kernels for, by opset: the
// measurement behind src/core/analysis/kernel-support.ts. Needs a Vulkan driver; without a GPU, SwiftShader will do:
//   LD_LIBRARY_PATH=<folder of libvulkan.so.1> VK_ICD_FILENAMES=<vk_swiftshader_icd.json> node bench/webgpu-kernels.mjs
import { spawnSync } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';
import { bundle, root, temporaryFolder } from './lib/bundle.mjs';

const opsets = [12, 13, 15, 17, 18, 19, 20, 21, 22, 23];
const casesPerOp = 3;
const modules = ['src/core/base/memory-source.ts', 'src/core/onnx/read.ts', 'src/core/onnx/write.ts'];

const anyDtype = new Set(['And', 'Or', 'Not', 'Xor', 'Where', 'If', 'Loop', 'Range']);
const withSubgraphs = new Set(['If', 'Loop', 'Scan']);
const refused = new Set(['float64', 'bfloat16', 'string']);

if (process.argv[2] === '--child') await child(process.argv[3]);
else await parent();

async function parent() {
  const folder = temporaryFolder('webgpu-kernels');
  const corePath = await bundle(folder, 'core', modules, 'node');
  // The provider logs to stderr from native code, so only another process can read it; through a file, because Node
  // makes pipes non-blocking and the native writer drops what does not fit.
  const log = join(folder, 'log.txt');
  const run = spawnSync(process.execPath, [process.argv[1], '--child', corePath], {
    stdio: ['ignore', 'inherit', openSync(log, 'w')],
  });
  if (run.status !== 0) throw new Error(`the measuring process ended with ${run.status ?? run.signal}; see its log`);
  const placements = new Map();
  let current;
  for (const line of readFileSync(log, 'utf8').split('\n')) current = readLine(line, current, placements);
  print(placements);
}

/** Notes where the only node of the current case was placed. */
function readLine(line, current, placements) {
  const begin = /^CASE (\S+) (\d+)$/.exec(line);
  if (begin) return { op: begin[1], opset: Number(begin[2]), provider: undefined };
  if (!current) return current;
  const all = /All nodes placed on \[(\w+)\]/.exec(line);
  const some = /Node\(s\) placed on \[(\w+)\]/.exec(line);
  const node = /VerifyEachNodeIsAssignedToAnEp\]\s+(\w+) \(/.exec(line);
  if (some) return { ...current, provider: some[1] };
  if (!all && (!node || node[1].startsWith('Memcpy'))) return current;
  // An operator without a kernel may be replaced by the nodes of its definition. Branches and bodies say nothing.
  const isOther = node && node[1] !== current.op;
  if (isOther && withSubgraphs.has(current.op)) return current;
  const byOpset = placements.get(current.op) ?? new Map();
  placements.set(current.op, byOpset);
  const seen = byOpset.get(current.opset) ?? new Set();
  const place = (all?.[1] ?? current.provider) === 'WebGpuExecutionProvider' ? 'gpu' : 'cpu';
  byOpset.set(current.opset, seen.add(isOther ? `${place} as ${node[1]}` : place));
  return current;
}

function print(placements) {
  const groups = { 'WebGPU at every opset': [], 'CPU at every opset': [], 'by opset': [] };
  for (const [op, byOpset] of [...placements].sort()) {
    const kinds = new Set([...byOpset.values()].flatMap((seen) => [...seen]));
    if (kinds.size > 1)
      groups['by opset'].push(
        `\n  ${op}: ${[...byOpset].map(([opset, seen]) => `${opset} ${[...seen].join('/')}`).join(', ')}`,
      );
    else groups[kinds.has('gpu') ? 'WebGPU at every opset' : 'CPU at every opset'].push(op);
  }
  for (const [title, ops] of Object.entries(groups)) console.log(`${title} (${ops.length}): ${ops.join(' ')}\n`);
}

async function child(corePath) {
  const { memorySource, readModel, modelToBytes } = await import(pathToFileURL(corePath).href);
  const { default: ort } = await import('onnxruntime-node');
  const seen = new Map();
  for (const file of ['onnx-1.23-cases.json.br', 'onnx-1.12-cases.json.br']) {
    const cases = JSON.parse(brotliDecompressSync(readFileSync(join(root, 'test/fixtures/shape', file))).toString());
    for (const { name, model: base64 } of cases) {
      const model = await readModel(memorySource(name, new Uint8Array(Buffer.from(base64, 'base64'))));
      const [node, second] = model.graph.nodes;
      const key = `${file} ${node?.opType}`;
      if (!node || second || node.domain !== '' || !isFloat(model) || (seen.get(key) ?? 0) >= casesPerOp) continue;
      seen.set(key, (seen.get(key) ?? 0) + 1);
      for (const opset of opsets) {
        model.opsetImports.set('', opset);
        model.irVersion = opset <= 18 ? 8 : opset <= 20 ? 9 : opset <= 22 ? 10 : 11;
        process.stderr.write(`CASE ${node.opType} ${opset}\n`);
        try {
          const session = await ort.InferenceSession.create(await modelToBytes(model), {
            executionProviders: [{ name: 'webgpu' }],
            graphOptimizationLevel: 'disabled',
            logSeverityLevel: 0,
            logVerbosityLevel: 0,
          });
          await session.release();
        } catch {
          // The case is not valid at this opset: another one says.
        }
      }
    }
  }
}

/** Only what a float model contains: other dtypes of the same operator run on the CPU more often. */
function isFloat({ graph }) {
  const dtypes = [...graph.inputs, ...graph.outputs].map(({ type }) =>
    type?.kind === 'tensor' ? type.dtype : 'string',
  );
  if (dtypes.some((dtype) => refused.has(dtype))) return false;
  const [first] = graph.inputs;
  return anyDtype.has(graph.nodes[0].opType)
    ? !dtypes.includes('int64') || graph.nodes[0].opType === 'Loop'
    : first?.type?.dtype === 'float32';
}
