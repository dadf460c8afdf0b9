/** Attention operators of com.microsoft (onnxruntime's ContribOperators.md, 1.30). */
import type { InferContext, InferFn } from '../../context.ts';
import type { Shape } from '../../facts.ts';
import { add, floorDiv, mul, type Sym } from '../../symbolic.ts';

/** Input [batch, seq, in], weights [in, q+k+v]; past and present are [2, batch, heads, length, size]. */
const attentionWith =
  (weights: number, past: number): InferFn =>
  (c) => {
    const x = c.shape(0);
    const width = c.shape(weights)?.[1] ?? null;
    const sizes = c.ints('qkv_hidden_sizes');
    const hidden: Sym = sizes?.[2] ?? floorDiv(width, 3);
    const heads = c.int('num_heads') ?? null;
    const [batch, length] = [x?.[0] ?? null, x?.[1] ?? null];
    const dtype = c.node.opType === 'QAttention' ? c.dtype(3) : c.dtype(0);
    c.set(0, dtype, [batch, length, hidden]);
    const before = c.has(past) ? (c.shape(past)?.[3] ?? null) : 0;
    const total = c.int('past_present_share_buffer', 0) ? before : add(before, length);
    c.set(1, dtype, [2, batch, heads, total, floorDiv(hidden, heads)]);
  };

/**
 * Query [batch, seq, hidden], or [batch, seq, heads, 3, size] with all three packed; key and value likewise flat, or
 * [batch, heads, length, size] when they come from a cross-attention cache.
 */
const multiHeadAttention: InferFn = (c) => {
  const q = c.shape(0);
  const value = c.shape(2);
  const heads = c.int('num_heads') ?? null;
  const [batch, length] = [q?.[0] ?? null, q?.[1] ?? null];
  let hidden: Sym = null;
  if (q?.length === 5) hidden = mul(q[2]!, q[4]!);
  else if (value?.length === 3) hidden = value[2]!;
  else if (value?.length === 4) hidden = mul(value[1]!, value[3]!);
  else if (q?.length === 3) hidden = q[2]!;
  c.set(0, c.dtype(0), [batch, length, hidden]);
  const keyLength = keyLengthOf(c, q);
  const before = c.has(6) ? (c.shape(6)?.[2] ?? null) : 0;
  const size = floorDiv(hidden, heads);
  const total = add(before, keyLength);
  for (const output of [1, 2]) c.set(output, c.dtype(0), [batch, heads, total, size]);
  c.set(3, c.dtype(0), [batch, heads, length, total]);
};

function keyLengthOf(c: InferContext, query: Shape | undefined): Sym {
  const key = c.shape(1);
  if (!c.has(1)) return query?.[1] ?? null;
  return key?.[key.length === 4 ? 2 : 1] ?? null;
}

/** Without key and value the query holds all three: (heads + 2 * kv heads) * size wide. */
const groupQueryAttention: InferFn = (c) => {
  const q = c.shape(0);
  const heads = c.int('num_heads') ?? null;
  const kvHeads = c.int('kv_num_heads') ?? null;
  const [batch, length, width] = [q?.[0] ?? null, q?.[1] ?? null, q?.[2] ?? null];
  const isPacked = !c.has(1);
  const size = floorDiv(width, isPacked ? add(heads, mul(2, kvHeads)) : heads);
  c.set(0, c.dtype(0), [batch, length, isPacked ? mul(size, heads) : width]);
  // The cache may be a buffer of full length that past and present share, so past + seq need not hold.
  const total: Sym = c.has(3) ? (c.scalar(6) ?? null) : length;
  for (const output of [1, 2]) {
    const dtype = c.dtype(output + 2) ?? c.dtype(0);
    c.set(output, dtype, [batch, kvHeads, total, size]);
  }
};

const sameAsQuery: InferFn = (c) => c.set(0, c.dtype(0), c.shape(0));

/** Output [1, heads, query length, key length]; the lengths are scalar inputs. */
const relativePositionBias: InferFn = (c) =>
  c.set(0, c.dtype(0), [1, c.shape(0)?.[1] ?? null, c.scalar(1) ?? null, c.scalar(2) ?? null]);

export const contribAttention: Record<string, InferFn> = {
  Attention: attentionWith(1, 4),
  QAttention: attentionWith(1, 8),
  MultiHeadAttention: multiHeadAttention,
  DecoderMaskedMultiHeadAttention: multiHeadAttention,
  GroupQueryAttention: groupQueryAttention,
  SparseAttention: groupQueryAttention,
  LongformerAttention: sameAsQuery,
  RelativePositionBias: relativePositionBias,
  RotaryEmbedding: sameAsQuery,
};
