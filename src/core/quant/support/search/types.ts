/**
 * Methods that look for better scales and zero points of a block than round to nearest has, by trying candidates. Each
 * has two makers of the same bits: a SIMD kernel that takes four blocks at once, and plain TypeScript.
 */
import type { NBitsScheme } from '../nbits-parameters.ts';
import type { PanelShape } from '../panel.ts';
import type { FunctionSource } from '../wasm/assembler.ts';

/** What a block is stored with. */
export interface BlockParameters {
  readonly scale: number;
  /** 1 / scale, 0 for a block of zeros. */
  readonly reciprocal: number;
  readonly zeroPoint: number;
}

/** One block, for the plain maker. */
export interface PlainBlock {
  /** Without padding. */
  readonly values: Float32Array;
  readonly scheme: NBitsScheme;
  /** What round to nearest has: every search starts from it, so that none can lose. */
  readonly nearest: BlockParameters;
}

export interface KernelChoice {
  readonly scheme: NBitsScheme;
  readonly order: PanelShape['order'];
}

/** A search in plain data, for another thread: search/make.ts makes it again. */
export type SearchSpec =
  | { readonly kind: 'clip'; readonly settings: ClipSettings; readonly symmetric: boolean }
  | { readonly kind: 'kquant'; readonly scheme: NBitsScheme }
  | { readonly kind: 'hqq'; readonly settings: HqqSettings; readonly isFractional: boolean };

export interface ClipSettings {
  /** The smallest share of the range to try, between 0 and 1. */
  readonly smallest: number;
  /** Factors from 1 down to the smallest. */
  readonly steps: number;
}

export interface HqqSettings {
  /** Norm, below 1. */
  readonly p: number;
  readonly beta: number;
  readonly kappa: number;
  readonly iterations: number;
}

export interface BlockSearch {
  readonly spec: SearchSpec;
  /** Names the kernel: searches that differ in settings only share it. */
  readonly name: string;
  /** Numbers that the method walks through, e.g. one candidate after another; at most 1024. */
  readonly table: Float32Array;
  /** One more setting. */
  readonly extra: number;
  /** Zero points are any numbers; otherwise they are codes. */
  readonly hasFractionalZeroPoints: boolean;
  kernel(choice: KernelChoice): FunctionSource;
  plain(block: PlainBlock): BlockParameters;
}
