/**
 * One layer by LLM.int8() (Dettmers et al. 2022, equation 8): outlier features times their weights in floating point,
 * all others as an integer product of rows and columns that have a scale each, and the sum of both. Standard operators.
 */
import { attrInt, attrInts } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { dtypeInfo } from '../../ir/dtype.ts';
import { readTensorFloats, tensorFromInts, tensorFromNumbers } from '../../ir/tensor.ts';
import type { Node, Tensor } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import { perAxisView, quantizeTensor } from './affine-tensor.ts';
import { replaceLinear } from './linear-rewrite.ts';
import type { LinearSite } from './linear-sites.ts';
import { nodeLabel } from './patterns.ts';

/** Constants of a layer, as values of the graph that held the weight. */
export interface OutlierWeight {
  readonly outliers: readonly number[];
  /** int8 [K, N], rows of outlier features 0. */
  readonly codes: string;
  /** float32 [N]. */
  readonly scales: string;
  /** float32 [outliers, N]; undefined without any. */
  readonly outlierWeight: string | undefined;
  /** int64 [outliers]. */
  readonly indices: string | undefined;
  /** float32 [K]: 0 for outlier features, 1 for the rest. */
  readonly mask: string | undefined;
}

/** A scale of 0 would divide by 0; a row of zeros has codes 0 whatever its scale. */
const SMALLEST_MAGNITUDE = 1e-30;
const LARGEST_CODE = 127;

/**
 * One layer's weight is in memory as a whole.
 * @throws StudioError pass/bad-weight
 */
export async function storeOutlierWeight(
  ctx: StepContext,
  site: LinearSite,
  outliers: readonly number[],
): Promise<OutlierWeight> {
  const { K, N, order, weight } = site;
  const { tensor, valueName: name, scope } = weight;
  const at = (k: number, n: number) => (order === 'rows' ? n * K + k : k * N + n);
  const values = (await readTensorFloats(tensor)).slice();
  const kept = new Float32Array(outliers.length * N);
  outliers.forEach((k, row) => {
    for (let n = 0; n < N; n += 1) {
      kept[row * N + n] = values[at(k, n)]!;
      values[at(k, n)] = 0;
    }
  });
  const dims = order === 'rows' ? [N, K] : [K, N];
  const regular = tensorFromNumbers(tensor.name, 'float32', dims, values);
  const { data, scales } = await quantizeTensor(ctx, {
    tensor: regular,
    scheme: { type: 'int8', symmetric: true, reduceRange: false },
    view: perAxisView(dims, order === 'rows' ? 0 : 1),
    transpose: order === 'rows',
  });
  const add = (added: Tensor) => scope.editor.addInitializer(added);
  const isOutlier = new Set(outliers);
  const hasOutliers = outliers.length > 0;
  return {
    outliers,
    codes: add({ name: `${name}_quantized`, dtype: 'int8', dims: [K, N], data }),
    scales: add(tensorFromNumbers(`${name}_scale`, 'float32', [N], scales)),
    outlierWeight: hasOutliers
      ? add(tensorFromNumbers(`${name}_outliers`, 'float32', [outliers.length, N], kept))
      : undefined,
    indices: hasOutliers ? add(tensorFromInts(`${name}_outlier_features`, [outliers.length], outliers)) : undefined,
    mask: hasOutliers
      ? add(
          tensorFromNumbers(
            `${name}_mask`,
            'float32',
            [K],
            Float32Array.from({ length: K }, (_, k) => (isOutlier.has(k) ? 0 : 1)),
          ),
        )
      : undefined,
  };
}

/**
 * @param opset of ai.onnx: from 18 on ReduceMax takes its axes as an input
 * @returns labels of the new nodes
 */
export function replaceByOutlierSplit(site: LinearSite, weight: OutlierWeight, opset: number): readonly string[] {
  const { editor } = site.scope;
  const base = nodeLabel(site.node);
  return replaceLinear(site, (activation, output) => {
    const nodes: Node[] = [];
    const add = (opType: string, inputs: string[], attributes: Node['attributes'] = new Map(), result?: string) => {
      const made = result ?? editor.freshName(`${base}/${opType}_out`);
      const name = editor.freshName(`${base}/${opType}`);
      nodes.push(makeNode({ opType, name, inputs, outputs: [made], attributes }));
      return made;
    };
    const scalar = (what: string, value: number) =>
      editor.addInitializer(tensorFromNumbers(editor.freshName(`${base}/${what}`), 'float32', [], [value]));
    const to = (dtype: 'int8' | 'float32') => new Map([['to', attrInt(dtypeInfo[dtype].onnx)]]);

    const regular = weight.mask === undefined ? activation : add('Mul', [activation, weight.mask]);
    const magnitudes = add('Abs', [regular]);
    const keep = ['keepdims', attrInt(1)] as const;
    const largest =
      opset >= 18
        ? add(
            'ReduceMax',
            [magnitudes, editor.addInitializer(tensorFromInts(`${base}/last_axis`, [1], [-1]))],
            new Map([keep]),
          )
        : add('ReduceMax', [magnitudes], new Map([['axes', attrInts([-1])], keep]));
    const nonZero = add('Max', [largest, scalar('smallest', SMALLEST_MAGNITUDE)]);
    const rowScale = add('Div', [nonZero, scalar('largest_code', LARGEST_CODE)]);
    const codes = add('Cast', [add('Round', [add('Div', [regular, rowScale])])], to('int8'));
    const integers = add('Cast', [add('MatMulInteger', [codes, weight.codes])], to('float32'));
    const inRows = add('Mul', [integers, rowScale]);
    if (weight.outlierWeight === undefined) {
      add('Mul', [inRows, weight.scales], new Map(), output);
      return nodes;
    }
    const product = add('Mul', [inRows, weight.scales]);
    const outliers = add('Gather', [activation, weight.indices!], new Map([['axis', attrInt(-1)]]));
    add('Add', [product, add('MatMul', [outliers, weight.outlierWeight])], new Map(), output);
    return nodes;
  });
}
