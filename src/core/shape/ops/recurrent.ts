/** RNN, GRU and LSTM; also onnxruntime's DynamicQuantizeLSTM, which has the same outputs. */
import type { InferFn } from '../context.ts';
import type { Sym } from '../symbolic.ts';

/** X is [seq, batch, input], or [batch, seq, input] with layout 1; W is [directions, gates*hidden, input]. */
const recurrent: InferFn = (c) => {
  const x = c.shape(0);
  const isBatchFirst = c.int('layout', 0) === 1;
  const directions = c.text('direction', 'forward') === 'bidirectional' ? 2 : 1;
  // R is [directions, gates*hidden, hidden]; for DynamicQuantizeLSTM [directions, hidden, gates*hidden].
  const hidden: Sym = c.int('hidden_size') ?? c.shape(2)?.[c.node.opType === 'DynamicQuantizeLSTM' ? 1 : 2] ?? null;
  const sequence = x?.[isBatchFirst ? 1 : 0] ?? null;
  const batch = x?.[isBatchFirst ? 0 : 1] ?? null;
  const state: Sym[] = isBatchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
  c.set(0, c.dtype(0), isBatchFirst ? [batch, sequence, directions, hidden] : [sequence, directions, batch, hidden]);
  c.set(1, c.dtype(0), state);
  c.set(2, c.dtype(0), state);
};

export const recurrentOps: Record<string, InferFn> = { RNN: recurrent, GRU: recurrent, LSTM: recurrent };
export const recurrentContribOps: Record<string, InferFn> = { DynamicQuantizeLSTM: recurrent };
