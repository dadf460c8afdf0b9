// Judges the files that the reference quantizers wrote, with the same tasks and runtime as ours.
// Usage: node bench/quality/judge-reference.mjs FOLDER RESULTS [--threads=N]
// FOLDER holds MODEL/METHOD.onnx and MODEL/METHOD.json ({ seconds, bitsPerWeight?, bytes?, error? }).
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { flags, judgeFiles, openResults, openSubject } from './lab.mjs';

const [folder, path] = process.argv.slice(2).filter((word) => !word.startsWith('--'));
if (!path) throw new Error('usage: node bench/quality/judge-reference.mjs FOLDER RESULTS [--threads=N]');
const results = openResults(path);
for (const id of readdirSync(folder)) {
  if (!statSync(join(folder, id)).isDirectory()) continue;
  const subject = await openSubject(id);
  for (const name of readdirSync(join(folder, id))) {
    if (!name.endsWith('.json')) continue;
    const method = basename(name, '.json');
    if (results.has(id, method)) continue;
    const { error, ...facts } = JSON.parse(readFileSync(join(folder, id, name), 'utf8'));
    const file = join(folder, id, `${method}.onnx`);
    let row = { model: id, method, ...facts, ...(error && { error }) };
    if (existsSync(file)) {
      const graph = new Uint8Array(readFileSync(file));
      row = { ...row, bytes: facts.bytes ?? graph.byteLength };
      try {
        const files = { graph: [graph], externalData: [] };
        row = { ...row, ...(await judgeFiles(subject, files, Number(flags.threads ?? 0))) };
      } catch (failure) {
        row = { ...row, error: String(failure.cause?.message ?? failure.message ?? failure).slice(0, 300) };
      }
    }
    results.add(row);
    console.log(`${id} ${method}: ${row.error ?? `${row.metric} ${row.value.toFixed(4)}, ${row.bytes} bytes`}`);
  }
}
