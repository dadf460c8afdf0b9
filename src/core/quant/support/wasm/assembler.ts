/**
 * A WebAssembly assembler, just large enough for the SIMD kernels beside it: the kernels stay readable TypeScript and
 * need no build step. Opcodes are those of the WebAssembly core specification 2.0 (binary format, section 5.4).
 */

/** Instructions as nested lists of bytes. */
export type Code = number | readonly Code[];

export type ValueKind = 'i32' | 'f32' | 'v128';

const kindByte: Readonly<Record<ValueKind, number>> = { i32: 0x7f, f32: 0x7d, v128: 0x7b };

export interface FunctionSource {
  readonly name: string;
  readonly params: readonly ValueKind[];
  readonly results: readonly ValueKind[];
  readonly locals: readonly ValueKind[];
  readonly body: Code;
}

function unsignedLeb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

function signedLeb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    const done = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

function flatten(code: Code, out: number[]): void {
  if (typeof code === 'number') out.push(code);
  else for (const part of code) flatten(part, out);
}

const float32Bytes = (value: number) => [...new Uint8Array(new Float32Array([value]).buffer)];
const int32Bytes = (value: number) => [...new Uint8Array(new Int32Array([value]).buffer)];
const text = (name: string) => [...unsignedLeb(name.length), ...new TextEncoder().encode(name)];
const vector = (items: readonly (readonly number[])[]) => [...unsignedLeb(items.length), ...items.flat()];
const section = (id: number, content: readonly number[]) => [id, ...unsignedLeb(content.length), ...content];
const simd = (opcode: number, ...immediates: Code[]): Code => [0xfd, unsignedLeb(opcode), immediates];
/** Alignment hint 1 byte: any address is allowed. */
const memoryArgument = (offset: number) => [0, unsignedLeb(offset)];

/** A module that imports `host.memory` and exports the functions by name. */
export function assemble(functions: readonly FunctionSource[]): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ params, results }) => [
    0x60,
    ...vector(params.map((kind) => [kindByte[kind]])),
    ...vector(results.map((kind) => [kindByte[kind]])),
  ]);
  const bodies = functions.map(({ locals, body }) => {
    const bytes = [...vector(locals.map((kind) => [1, kindByte[kind]]))];
    flatten(body, bytes);
    bytes.push(0x0b);
    return [...unsignedLeb(bytes.length), ...bytes];
  });
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, vector(types)),
    ...section(2, vector([[...text('host'), ...text('memory'), 0x02, 0x00, 0x01]])),
    ...section(3, vector(functions.map((_, index) => unsignedLeb(index)))),
    ...section(7, vector(functions.map(({ name }, index) => [...text(name), 0x00, ...unsignedLeb(index)]))),
    ...section(10, vector(bodies)),
  ]);
}

export const get = (local: number): Code => [0x20, unsignedLeb(local)];
export const set = (local: number, value: Code): Code => [value, 0x21, unsignedLeb(local)];
export const block = (...body: Code[]): Code => [0x02, 0x40, body, 0x0b];
export const loop = (...body: Code[]): Code => [0x03, 0x40, body, 0x0b];
export const branchIf = (condition: Code, depth: number): Code => [condition, 0x0d, unsignedLeb(depth)];

export const i32 = {
  const: (value: number): Code => [0x41, signedLeb(value)],
  add: (a: Code, b: Code): Code => [a, b, 0x6a],
  sub: (a: Code, b: Code): Code => [a, b, 0x6b],
  mul: (a: Code, b: Code): Code => [a, b, 0x6c],
  isZero: (a: Code): Code => [a, 0x45],
  lessUnsigned: (a: Code, b: Code): Code => [a, b, 0x49],
  load: (address: Code, offset = 0): Code => [address, 0x28, memoryArgument(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [address, value, 0x36, memoryArgument(offset)],
};

/** An `if` without result. */
export const ifThen = (condition: Code, ...body: Code[]): Code => [condition, 0x04, 0x40, body, 0x0b];

/** Leaves `depth` enclosing blocks or goes back to the start of a loop. */
export const branch = (depth: number): Code => [0x0c, unsignedLeb(depth)];

/** 128-bit vectors of four float32 (`f`) or four int32 (`i`) lanes. */
export const v128 = {
  load: (address: Code, offset = 0): Code => [address, simd(0x00, memoryArgument(offset))],
  loadSplat32: (address: Code, offset = 0): Code => [address, simd(0x09, memoryArgument(offset))],
  store: (address: Code, value: Code, offset = 0): Code => [address, value, simd(0x0b, memoryArgument(offset))],
  store64Lane: (address: Code, value: Code, lane: number): Code => [
    address,
    value,
    simd(0x5b, memoryArgument(0), lane),
  ],
  store32Lane: (address: Code, value: Code, lane: number): Code => [
    address,
    value,
    simd(0x5a, memoryArgument(0), lane),
  ],
  /** Four times the float on the stack. */
  splat: (value: Code): Code => [value, simd(0x13)],
  splatFloat: (value: number): Code => simd(0x0c, ...[0, 1, 2, 3].map(() => float32Bytes(value))),
  splatInt: (value: number): Code => simd(0x0c, ...[0, 1, 2, 3].map(() => int32Bytes(value))),
  ints: (values: readonly number[]): Code => simd(0x0c, ...values.map(int32Bytes)),
  and: (a: Code, b: Code): Code => [a, b, simd(0x4e)],
  or: (a: Code, b: Code): Code => [a, b, simd(0x50)],
  /** Bits of `a` that are not set in `b`. */
  andNot: (a: Code, b: Code): Code => [a, b, simd(0x4f)],
  anyTrue: (a: Code): Code => [a, simd(0x53)],
  /** Bits of `a` where the mask is set, of `b` elsewhere. */
  select: (a: Code, b: Code, mask: Code): Code => [a, b, mask, simd(0x52)],
  /** 32-bit lanes of `a` (0 to 3) and `b` (4 to 7) by index. */
  shuffle32: (a: Code, b: Code, lanes: readonly number[]): Code => [
    a,
    b,
    simd(
      0x0d,
      lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte)),
    ),
  ],
  iLane0: (a: Code): Code => [a, simd(0x1b, 0)],
  iBitmask: (a: Code): Code => [a, simd(0xa4)],
  iShiftLeft: (a: Code, bits: Code): Code => [a, bits, simd(0xab)],
  iShiftRight: (a: Code, bits: Code): Code => [a, bits, simd(0xad)],
  iAdd: (a: Code, b: Code): Code => [a, b, simd(0xae)],
  iSub: (a: Code, b: Code): Code => [a, b, simd(0xb1)],
  iMul: (a: Code, b: Code): Code => [a, b, simd(0xb5)],
  iMin: (a: Code, b: Code): Code => [a, b, simd(0xb6)],
  iMax: (a: Code, b: Code): Code => [a, b, simd(0xb8)],
  iGreater: (a: Code, b: Code): Code => [a, b, simd(0x3b)],
  iLess: (a: Code, b: Code): Code => [a, b, simd(0x39)],
  iEqual: (a: Code, b: Code): Code => [a, b, simd(0x37)],
  iFromFloat: (a: Code): Code => [a, simd(0xf8)],
  fFromInt: (a: Code): Code => [a, simd(0xfa)],
  /** Eight unsigned 16-bit lanes from eight signed 32-bit ones, saturated. */
  narrow16: (a: Code, b: Code): Code => [a, b, simd(0x86)],
  fFloor: (a: Code): Code => [a, simd(0x68)],
  fAdd: (a: Code, b: Code): Code => [a, b, simd(0xe4)],
  fSub: (a: Code, b: Code): Code => [a, b, simd(0xe5)],
  fMul: (a: Code, b: Code): Code => [a, b, simd(0xe6)],
  fDiv: (a: Code, b: Code): Code => [a, b, simd(0xe7)],
  fSqrt: (a: Code): Code => [a, simd(0xe3)],
  fAbs: (a: Code): Code => [a, simd(0xe0)],
  fNegate: (a: Code): Code => [a, simd(0xe1)],
  fNotEqual: (a: Code, b: Code): Code => [a, b, simd(0x42)],
  fEqual: (a: Code, b: Code): Code => [a, b, simd(0x41)],
  fLess: (a: Code, b: Code): Code => [a, b, simd(0x43)],
  fGreater: (a: Code, b: Code): Code => [a, b, simd(0x44)],
  /** `b < a ? b : a` lane by lane: as `if (b < a) a = b`. */
  fPseudoMin: (a: Code, b: Code): Code => [a, b, simd(0xea)],
  /** `a < b ? b : a`. */
  fPseudoMax: (a: Code, b: Code): Code => [a, b, simd(0xeb)],
};

/** Runs the body with `counter` = 0, step, 2 * step, ... while it is below `end`; `end` must be positive. */
export const countUp = (counter: number, end: Code, step: number, ...body: Code[]): Code => [
  set(counter, i32.const(0)),
  loop(...body, set(counter, i32.add(get(counter), i32.const(step))), branchIf(i32.lessUnsigned(get(counter), end), 0)),
];
