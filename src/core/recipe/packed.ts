/** For whoever builds variants: what a model keeps packed, see quant/expand. */
export { type PackedBytes, packedBytes } from '../quant/expand/packed-weights.ts';
