/** Reads onnxruntime-web's log in Node, where its glue writes to file descriptors instead of the console. */
import { createRequire } from 'node:module';
import { type LogCapture, lineSink } from './console-capture.ts';

let installed: LogCapture | undefined;

/** Replaces `fs.writeSync` for good: lines of onnxruntime go to the capture, everything else passes through. */
export function installWriteCapture(): LogCapture {
  if (installed) return installed;
  const sink = lineSink();
  // The module object itself, whose properties the glue looks up at every call; an ES import would be a copy.
  const fs = createRequire(import.meta.url)('node:fs') as { writeSync: (...args: unknown[]) => number };
  const original = fs.writeSync;
  fs.writeSync = (...args: unknown[]) => {
    const [descriptor, text] = args;
    if (typeof text === 'string' && (descriptor === 1 || descriptor === 2) && sink.take(text.trimEnd())) {
      return Buffer.byteLength(text);
    }
    return original.apply(fs, args);
  };
  installed = { during: sink.during, each: sink.each };
  return installed;
}
