/** The biases of the three projections before an attention, as its one bias input. */
import { smallValues, tensorFromNumbers } from '../../ir/tensor.ts';
import type { Maker } from './attention-operands.ts';
import type { AttentionDType } from './attention-pattern.ts';
import { madeBy, otherOperand } from './pattern.ts';

export interface Projected {
  /** Query, key and value without what the bias adds. */
  readonly inputs: readonly string[];
  /** '' for none. */
  readonly bias: string;
}

/**
 * Only where a bias is the last thing added and nothing else reads the sum; a projection without one gets zeros.
 * @param inputs query, key and value of [batch, length, width]
 * @param widths of query and key, and of the value
 */
export function projectionBias(
  maker: Maker,
  dtype: AttentionDType,
  inputs: readonly string[],
  widths: readonly [number, number],
): Projected {
  const none = { inputs, bias: '' };
  // The CPU kernel wants one width for all of them.
  if (widths[0] !== widths[1]) return none;
  const parts = inputs.map((input) => biasedBy(maker, input, widths[0]));
  if (parts.every((part) => part === undefined)) return none;
  const values = parts.flatMap((part) => part?.bias ?? Array<number>(widths[0]).fill(0));
  const tensor = tensorFromNumbers(`${maker.label}/bias`, dtype, [values.length], values);
  return {
    inputs: inputs.map((input, at) => parts[at]?.value ?? input),
    bias: maker.editor.addInitializer(tensor),
  };
}

function biasedBy({ editor, facts }: Maker, input: string, width: number) {
  const add = madeBy(editor, input, 'Add');
  if (!add || editor.isGraphOutput(input)) return undefined;
  for (const name of add.inputs) {
    const tensor = editor.constantOf(name);
    const value = tensor && otherOperand(add, name);
    const bias = tensor?.dims.length === 1 && tensor.dims[0] === width ? smallValues(tensor) : undefined;
    const shape = facts(value ?? '')?.shape;
    if (value && bias && shape?.length === 3 && shape[2] === width) return { value, bias };
  }
  return undefined;
}
