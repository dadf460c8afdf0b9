// node --no-wasm-async-compilation onnxsim-child.mjs IN OUT: prints { ms } on the last line.
import { readFileSync, writeFileSync } from 'node:fs';

const [path, target] = process.argv.slice(2);
// Without a timer Node 20 may stop while it compiles the module.
const alive = setInterval(() => {}, 1000);
const { simplify } = await import('onnxsim');
const bytes = new Uint8Array(readFileSync(path));
const started = performance.now();
const { model } = await simplify(bytes);
const ms = performance.now() - started;
writeFileSync(target, model);
clearInterval(alive);
console.log(`\n${JSON.stringify({ ms })}`);
process.exit(0);
