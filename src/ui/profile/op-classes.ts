/** Operators in a few classes, each with a colour and a shape, so that neither alone carries the meaning. */
import type { OpFamily } from '../../core/analysis/op-families.ts';

export type OpClassId =
  | 'product'
  | 'convolution'
  | 'activation'
  | 'elementwise'
  | 'quantization'
  | 'movement'
  | 'other';

export interface OpClass {
  readonly id: OpClassId;
  readonly label: string;
  readonly colour: string;
  /** As recharts names them. */
  readonly shape: 'circle' | 'square' | 'triangle' | 'diamond' | 'star' | 'cross' | 'wye';
  readonly families: readonly OpFamily[];
}

export const opClasses: readonly OpClass[] = [
  {
    id: 'product',
    label: 'Matrix products',
    colour: 'var(--series-weights)',
    shape: 'circle',
    families: ['matrix-product', 'attention', 'recurrent'],
  },
  {
    id: 'convolution',
    label: 'Convolution, pooling',
    colour: 'var(--series-heap)',
    shape: 'square',
    families: ['convolution', 'pooling'],
  },
  {
    id: 'activation',
    label: 'Activation, normalization',
    colour: 'var(--series-process)',
    shape: 'triangle',
    families: ['activation', 'normalization'],
  },
  {
    id: 'elementwise',
    label: 'Elementwise, reduction',
    colour: 'var(--series-activations)',
    shape: 'diamond',
    families: ['elementwise', 'reduction'],
  },
  {
    id: 'quantization',
    label: 'Quantization',
    colour: 'var(--target-webgpu)',
    shape: 'star',
    families: ['quantization'],
  },
  {
    id: 'movement',
    label: 'Data movement',
    colour: 'var(--series-gpu)',
    shape: 'cross',
    families: ['layout', 'gather', 'constant'],
  },
  { id: 'other', label: 'Other', colour: 'var(--line-strong)', shape: 'wye', families: ['control-flow', 'other'] },
];

const byFamily = new Map(opClasses.flatMap((one) => one.families.map((family) => [family, one] as const)));

export function opClassOf({ family, opType }: { readonly family: OpFamily; readonly opType: string }): OpClass {
  // What the runtime adds to move data between devices and layouts.
  if (/^(Memcpy|Reorder)/.test(opType)) return opClasses.find(({ id }) => id === 'movement')!;
  return byFamily.get(family) ?? opClasses.at(-1)!;
}
