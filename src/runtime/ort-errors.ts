/**
 * The one place where onnxruntime's, WebAssembly's and WebGPU's own errors become StudioErrors. Messages were collected
 * by running onnxruntime-web and onnxruntime-node 1.30 (test/unit/runtime/ort-errors.test.ts provokes most of them).
 */
import { type ErrorCode, StudioError } from '../core/base/errors/index.ts';
import type { JsonObject } from '../core/base/json.ts';

export type RuntimePhase = 'create' | 'run';

interface Rule {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
  readonly data: (match: RegExpMatchArray, context: { target: string; reason: string }) => JsonObject;
}

const withReason: Rule['data'] = (_match, context) => ({ target: context.target, reason: context.reason });
const withOpType: Rule['data'] = (match, context) => ({ opType: match[1]!, target: context.target });

/** First match wins. */
const rules: readonly Rule[] = [
  {
    pattern: /Could not find an implementation for ([\w.:]+\(\d+\))/,
    code: 'runtime/missing-kernel',
    data: withOpType,
  },
  {
    pattern: /(?:Fatal error: |No Op registered for )?([\w.:]+(?:\(-?\d+\))?) is not a registered function\/op/,
    code: 'runtime/missing-kernel',
    data: withOpType,
  },
  { pattern: /No Op registered for ([\w.:]+)/, code: 'runtime/missing-kernel', data: withOpType },
  {
    pattern: /requires f16 but the device does not support it|shader-f16/i,
    code: 'runtime/unsupported-by-device',
    data: (_match, { target }) => ({ target, reason: 'the GPU has no 16-bit floats in shaders (shader-f16)' }),
  },
  {
    pattern: /exceeds the max(?:imum)? [\w ]*(?:limit|size)|larger than the maximum [\w ]*size/i,
    code: 'runtime/unsupported-by-device',
    data: withReason,
  },
  {
    pattern:
      /SafeIntOnOverflow|out of memory|std::bad_alloc|bad allocation|bad_array_new_length|OOM|failed to allocate|allocation failed|allocate memory|Memory\.grow|Cannot enlarge memory|Invalid (?:typed )?array (?:buffer )?length/i,
    code: 'runtime/out-of-memory',
    data: withReason,
  },
  { pattern: /device (?:is|was) lost|DeviceLost|device lost/i, code: 'runtime/device-lost', data: withReason },
  {
    pattern:
      /GPU adapter|WebGPU is not supported|WebNN is not supported|not supported execution provider|no available backend found|available on this platform|multi-threading is not supported/i,
    code: 'runtime/unavailable',
    data: withReason,
  },
  {
    pattern: /Got invalid dimensions for input: (\S+) for the following indices([\s\S]*?)(?:Please fix|$)/,
    code: 'task/shape-mismatch',
    data: (match) => ({ input: match[1]!, ...dimensionFacts(match[2]!) }),
  },
  {
    pattern: /Invalid rank for input: (\S+) Got: (\d+) Expected: (\d+)/,
    code: 'task/shape-mismatch',
    data: (match) => ({ input: match[1]!, expected: `${match[3]} dimensions`, actual: `${match[2]} dimensions` }),
  },
  {
    pattern: /Unexpected input data type\. Actual: \((.+?)\) ?, expected: \((.+?)\)$/,
    code: 'task/shape-mismatch',
    data: (match) => ({ input: 'of the model', expected: match[2]!, actual: match[1]! }),
  },
  {
    pattern:
      /protobuf parsing failed|No graph was found|invalid model|Type Error:|TypeInferenceError|ShapeInferenceError|Unsupported model IR version|under development and support for this is limited/i,
    code: 'runtime/model-rejected',
    data: withReason,
  },
];

/** "index: 1 Got: 3 Expected: 4" as the two figures of a message. */
function dimensionFacts(text: string): JsonObject {
  const facts = [...text.matchAll(/index: (\d+) Got: (-?\d+) Expected: (-?\d+)/g)];
  return {
    expected: facts.map((fact) => `${fact[3]} at dimension ${fact[1]}`).join(', ') || 'other dimensions',
    actual: facts.map((fact) => fact[2]).join(', ') || text.trim(),
  };
}

/**
 * @param target where it ran, as shown to the user ("WASM", "WebGPU", "CPU")
 * @returns the error itself when it is already ours
 */
export function mapRuntimeError(error: unknown, target: string, phase: RuntimePhase): StudioError {
  if (error instanceof StudioError) return error;
  const message = messageOf(error);
  const reason = reasonOf(message);
  for (const rule of rules) {
    const match = message.match(rule.pattern);
    if (match) return new StudioError(rule.code, rule.data(match, { target, reason }), error);
  }
  const code = phase === 'create' ? 'runtime/create-failed' : 'runtime/run-failed';
  return new StudioError(code, { target, reason }, error);
}

function messageOf(error: unknown): string {
  // Emscripten throws the address of a C++ exception that nobody caught. Usually it is std::bad_alloc, but a number
  // proves nothing, so it is reported as what it is.
  if (typeof error === 'number') return `a C++ exception without a message (${error})`;
  return error instanceof Error ? error.message : String(error);
}

/** The part of a foreign message that says what happened, without codes, C++ paths and signatures. */
export function reasonOf(message: string): string {
  return withoutSignatures(message)
    .replace(/^(?:Can't create a session|failed to call OrtRun\(\))\.\s*/, '')
    .replace(/^no available backend found\. ERR: (?:\[\w+\] (?:\w*Error: )?)?/, '')
    .replace(/ERROR_CODE: \d+, ERROR_MESSAGE: /, '')
    .replace(/\[ONNXRuntimeError\] : \d+ : \w+ : /, '')
    .replace(/\s+/g, ' ')
    .replace(/[\s.]+$/, '')
    .trim();
}

/**
 * onnxruntime's assertions read "/path/file.cc:93 signature(of, the, function) condition was false. What happened".
 * A signature holds parentheses itself (templates, lambdas), so its end is found by counting.
 */
function withoutSignatures(message: string): string {
  const source = /\S+\.(?:cc|h|hpp|cpp):\d+ /g;
  let kept = '';
  let from = 0;
  for (let match = source.exec(message); match; match = source.exec(message)) {
    // A short name without a path is followed by the message itself.
    if (!match[0].includes('/')) continue;
    kept += message.slice(from, match.index);
    from = endOfSignature(message, source.lastIndex);
    const condition = /^[^.]*? was false\.\s*/.exec(message.slice(from));
    if (condition) from += condition[0].length;
    source.lastIndex = from;
  }
  return kept + message.slice(from);
}

function endOfSignature(text: string, start: number): number {
  let depth = 0;
  for (let index = start; index < text.length; index += 1) {
    if (text[index] === '(') depth += 1;
    else if (text[index] === ')') {
      depth -= 1;
      if (depth === 0) return index + (/^\) (?:const )?/.exec(text.slice(index))?.[0].length ?? 1);
    }
  }
  return start;
}
