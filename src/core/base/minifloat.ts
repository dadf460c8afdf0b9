/**
 * Floats of 8 and 4 bits by their codes. Formats: OCP "8-bit Floating Point Specification" 1.0 (E4M3, E5M2),
 * the FNUZ variants of Noune et al. 2022 (arXiv 2206.02915), OCP "Microscaling Formats" 1.0 (E2M1, E8M0), as ONNX
 * names them (onnx/docs/technical/float8.md, ONNX 1.21).
 */
export type MinifloatKind =
  | 'float8e4m3fn'
  | 'float8e4m3fnuz'
  | 'float8e5m2'
  | 'float8e5m2fnuz'
  | 'float8e8m0'
  | 'float4e2m1';

interface Format {
  readonly bits: 8 | 4;
  readonly exponentBits: number;
  readonly mantissaBits: number;
  readonly bias: number;
  /** fn: NaN is all ones, no infinity. ieee: infinity and NaN in the top exponent. fnuz: NaN is the code of -0. none: neither. */
  readonly specials: 'fn' | 'ieee' | 'fnuz' | 'none';
}

const formats: Record<Exclude<MinifloatKind, 'float8e8m0'>, Format> = {
  float8e4m3fn: { bits: 8, exponentBits: 4, mantissaBits: 3, bias: 7, specials: 'fn' },
  float8e4m3fnuz: { bits: 8, exponentBits: 4, mantissaBits: 3, bias: 8, specials: 'fnuz' },
  float8e5m2: { bits: 8, exponentBits: 5, mantissaBits: 2, bias: 15, specials: 'ieee' },
  float8e5m2fnuz: { bits: 8, exponentBits: 5, mantissaBits: 2, bias: 16, specials: 'fnuz' },
  float4e2m1: { bits: 4, exponentBits: 2, mantissaBits: 1, bias: 1, specials: 'none' },
};

const tables = new Map<MinifloatKind, Float32Array>();

/** The value of every code: 256 entries (16 for float4e2m1), NaN and infinities included. */
export function minifloatTable(kind: MinifloatKind): Float32Array {
  let table = tables.get(kind);
  if (!table) {
    table = kind === 'float8e8m0' ? e8m0Table() : buildTable(formats[kind]);
    tables.set(kind, table);
  }
  return table;
}

function e8m0Table(): Float32Array {
  return Float32Array.from({ length: 256 }, (_, code) => (code === 255 ? Number.NaN : 2 ** (code - 127)));
}

function buildTable(format: Format): Float32Array {
  const half = 1 << (format.bits - 1);
  const table = new Float32Array(half * 2);
  for (let code = 0; code < half; code += 1) {
    const value = positiveValue(format, code);
    table[code] = value;
    table[code + half] = -value;
  }
  if (format.specials === 'fnuz') table[half] = Number.NaN;
  return table;
}

function positiveValue(format: Format, code: number): number {
  const { exponentBits, mantissaBits, bias, specials } = format;
  const exponent = code >> mantissaBits;
  const mantissa = code & ((1 << mantissaBits) - 1);
  const topExponent = (1 << exponentBits) - 1;
  if (specials === 'ieee' && exponent === topExponent) return mantissa === 0 ? Number.POSITIVE_INFINITY : Number.NaN;
  if (specials === 'fn' && exponent === topExponent && mantissa === (1 << mantissaBits) - 1) return Number.NaN;
  const scale = 2 ** (Math.max(exponent, 1) - bias - mantissaBits);
  return (exponent === 0 ? mantissa : mantissa + (1 << mantissaBits)) * scale;
}

/**
 * The code of the nearest value, ties to the even code. As ONNX Cast does by default (`saturate` = 1): numbers beyond the
 * largest finite one, infinities included, become the largest finite one. NaN stays NaN; float4e2m1 has none, and NaN
 * becomes its largest value. float8e8m0 holds scales, which ONNX rounds in its own ways: not offered here.
 */
export function float32ToMinifloat(kind: Exclude<MinifloatKind, 'float8e8m0'>, value: number): number {
  const format = formats[kind];
  const half = 1 << (format.bits - 1);
  if (Number.isNaN(value)) return format.specials === 'fnuz' ? half : half - 1;
  const sign = value < 0 || Object.is(value, -0) ? half : 0;
  const magnitude = nearestCode(minifloatTable(kind), largestFiniteCode(format), Math.abs(value));
  // The code of -0 means NaN in the FNUZ formats.
  return magnitude === 0 && format.specials === 'fnuz' ? 0 : sign | magnitude;
}

function nearestCode(table: Float32Array, largest: number, magnitude: number): number {
  if (magnitude >= table[largest]!) return largest;
  let low = 0;
  let high = largest;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (table[middle]! <= magnitude) low = middle;
    else high = middle - 1;
  }
  const below = magnitude - table[low]!;
  const above = table[low + 1]! - magnitude;
  return below < above || (below === above && roundsDownAtTie(low)) ? low : low + 1;
}

const roundsDownAtTie = (code: number): boolean => (code & 1) === 0;

function largestFiniteCode(format: Format): number {
  const half = 1 << (format.bits - 1);
  if (format.specials === 'ieee') return half - 1 - (1 << format.mantissaBits);
  return format.specials === 'fn' ? half - 2 : half - 1;
}
