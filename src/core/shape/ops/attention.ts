/** Attention and RotaryEmbedding of the default domain (opset 23). */
import type { InferFn } from '../context.ts';
import { add, floorDiv, mul, type Sym } from '../symbolic.ts';
import { sameAsInput } from './helpers.ts';

/**
 * Q, K, V are [batch, heads, seq, size], or [batch, seq, heads*size] with the head counts as attributes.
 * Outputs: Y, present key and value [batch, kv heads, past+seq, size], scores [batch, heads, seq, past+seq].
 */
const attention: InferFn = (c) => {
  const [q, k, v] = [c.shape(0), c.shape(1), c.shape(2)];
  const dtype = c.dtype(0);
  if (!q || !k || !v || (q.length !== 3 && q.length !== 4)) return c.set(0, dtype, undefined);
  const isFlat = q.length === 3;
  const batch = q[0]!;
  const heads: Sym = isFlat ? (c.int('q_num_heads') ?? null) : q[1]!;
  const kvHeads: Sym = isFlat ? (c.int('kv_num_heads') ?? null) : (k[1] ?? null);
  const perHead = (flat: Sym): Sym => (isFlat ? floorDiv(flat, kvHeads) : flat);
  const length = q.at(-2)!;
  const valueSize = perHead(v.at(-1)!);
  const past: Sym = c.has(4) ? (c.shape(4)?.[2] ?? null) : 0;
  const total = add(past, k.at(-2)!);
  c.set(0, dtype, isFlat ? [batch, length, mul(heads, valueSize)] : [batch, heads, length, valueSize]);
  c.set(1, c.dtype(1), [batch, kvHeads, total, perHead(k.at(-1)!)]);
  c.set(2, c.dtype(2), [batch, kvHeads, total, valueSize]);
  c.set(3, dtype, [batch, heads, length, total]);
};

/**
 * Query, key, value [batch, seq, heads*size]; the recurrent state is [batch, kv heads, key size, value size]
 * (opset 27).
 */
const linearAttention: InferFn = (c) => {
  const q = c.shape(0);
  const heads = c.int('q_num_heads') ?? null;
  const kvHeads = c.int('kv_num_heads') ?? null;
  const keySize = floorDiv(c.shape(1)?.[2] ?? null, kvHeads);
  const valueSize = floorDiv(c.shape(2)?.[2] ?? null, kvHeads);
  const batch = q?.[0] ?? null;
  c.set(0, c.dtype(0), [batch, q?.[1] ?? null, mul(heads, valueSize)]);
  c.set(1, c.dtype(3) ?? c.dtype(0), [batch, kvHeads, keySize, valueSize]);
};

/** Input [batch, channels, length], weights [channels, 1, k]; the state keeps k - 1 positions (opset 27). */
const causalConvWithState: InferFn = (c) => {
  const x = c.shape(0);
  c.set(0, c.dtype(0), x ?? [null, null, null]);
  c.set(1, c.dtype(0), [x?.[0] ?? null, x?.[1] ?? null, add(c.shape(1)?.[2] ?? null, -1)]);
};

export const attentionOps: Record<string, InferFn> = {
  Attention: attention,
  RotaryEmbedding: sameAsInput,
  LinearAttention: linearAttention,
  CausalConvWithState: causalConvWithState,
};

/** Domain ai.onnx.preview. */
export const previewOps: Record<string, InferFn> = { FlexAttention: attention };
