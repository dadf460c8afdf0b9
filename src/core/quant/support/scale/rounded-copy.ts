/**
 * A model to run whose layers become what rounding makes of them, one after the other, while the model itself stays as
 * it is: the layers after them are then judged by the inputs that they will meet.
 */
import { intAttr } from '../../../ir/attributes.ts';
import type { Model } from '../../../ir/types.ts';
import { keepNumbers } from '../../../passes/support/weights.ts';
import type { StepContext } from '../../../step/define.ts';
import type { LinearSite } from '../linear-sites.ts';

export class RoundedCopy {
  readonly model: Model;
  readonly #ctx: Pick<StepContext, 'store'>;
  #count = 0;

  constructor(ctx: Pick<StepContext, 'store' | 'model'>) {
    const { graph } = ctx.model;
    this.#ctx = ctx;
    this.model = {
      ...ctx.model,
      graph: { ...graph, nodes: [...graph.nodes], initializers: new Map(graph.initializers) },
    };
  }

  /**
   * @param values [K, N]; where they leave the range of the weight's type, the layer stays as it is
   * @throws StudioError storage/full
   */
  async replace({ node, weight, K, N }: LinearSite, values: Float32Array): Promise<void> {
    const { nodes, initializers } = this.model.graph;
    const { dtype, dims: stored } = weight.tensor;
    const isRead = node.opType === 'Gemm' && intAttr(node, 'transB', 0) !== 0 ? 'rows' : 'columns';
    const dims = [...stored.slice(0, -2), ...(isRead === 'rows' ? [N, K] : [K, N])];
    do this.#count += 1;
    while (initializers.has(`rounded_${this.#count}`));
    const name = `rounded_${this.#count}`;
    const tensor = await keepNumbers(this.#ctx, name, dtype, dims, isRead === 'rows' ? turned(values, K, N) : values);
    if (!tensor) return;
    initializers.set(name, tensor);
    const inputs = node.inputs.map((input, index) => (index === 1 ? name : input));
    nodes[nodes.indexOf(node)] = { ...node, inputs };
  }
}

/** [rows, columns] -> [columns, rows] */
function turned(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0, at = 0; row < rows; row += 1)
    for (let column = 0; column < columns; column += 1, at += 1) result[column * rows + row] = values[at]!;
  return result;
}
