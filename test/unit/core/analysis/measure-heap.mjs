// Prints how large the heap of onnxruntime-web is, in bytes, after one run of a model with the input x = [0.5].
import { readFileSync } from 'node:fs';

const memories = [];
WebAssembly.Memory = new Proxy(WebAssembly.Memory, {
  construct(target, args, newTarget) {
    const memory = Reflect.construct(target, args, newTarget);
    memories.push(memory);
    return memory;
  },
});
const ort = await import('onnxruntime-web');
ort.env.wasm.numThreads = 1;
const options = { executionProviders: ['wasm'], graphOptimizationLevel: 'disabled', logSeverityLevel: 3 };
const session = await ort.InferenceSession.create(readFileSync(process.argv[2]), options);
await session.run({ x: new ort.Tensor('float32', new Float32Array([0.5]), [1]) });
process.stdout.write(String(memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0)));
process.exit(0);
