import type { LayoutRequest } from '../../../../src/core/graph-view/layout/types.ts';
import type { VisibleGraph } from '../../../../src/core/graph-view/visible.ts';
import { attrInt, attrInts } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { tensorFromNumbers } from '../../../../src/core/ir/tensor.ts';
import type { Model, Node, Tensor } from '../../../../src/core/ir/types.ts';

export interface TransformerOptions {
  readonly layers: number;
  /** Names with module paths; without, nodes and weights are numbered. */
  readonly named?: boolean;
  /** Nodes of the file in an order that mixes the layers' branches. */
  readonly shuffled?: boolean;
}

/** A decoder whose layers share a mask that is computed where the first of them needs it. */
export function transformer({ layers, named = false, shuffled = false }: TransformerOptions): Model {
  const nodes: Node[] = [];
  const weights: Tensor[] = [];
  let count = 0;
  const op = (scope: string, opType: string, inputs: string[], attributes = {}): string => {
    const output = `v${count}`;
    const name = named ? `/model/${scope}${opType}_${count}` : `n${count}`;
    count += 1;
    nodes.push(makeNode({ opType, name, inputs, outputs: [output], attributes }));
    return output;
  };
  const weight = (dims: number[]): string => {
    const name = `w${weights.length}`;
    weights.push(tensorFromNumbers(name, 'float32', dims, new Array(dims.reduce((a, b) => a * b, 1)).fill(0.5)));
    return name;
  };
  let hidden = op('embed/', 'Gather', [weight([16, 4]), 'ids'], { axis: attrInt(0) });
  let mask = '';
  for (let layer = 0; layer < layers; layer += 1) {
    const at = `layers.${layer}/`;
    const norm = op(`${at}norm1/`, 'LayerNormalization', [hidden, weight([4])]);
    const q = op(`${at}attn/`, 'MatMul', [norm, weight([4, 4])]);
    const k = op(`${at}attn/`, 'MatMul', [norm, weight([4, 4])]);
    const kt = op(`${at}attn/`, 'Transpose', [k], { perm: attrInts([0, 2, 1]) });
    const scores = op(`${at}attn/`, 'MatMul', [q, kt]);
    if (mask === '') {
      const shape = op(`${at}attn/`, 'Shape', ['ids']);
      mask = op(`${at}attn/`, 'ConstantOfShape', [shape]);
    }
    const masked = op(`${at}attn/`, 'Add', [scores, mask]);
    const probabilities = op(`${at}attn/`, 'Softmax', [masked], { axis: attrInt(-1) });
    const v = op(`${at}attn/`, 'MatMul', [norm, weight([4, 4])]);
    const mixed = op(`${at}attn/`, 'MatMul', [probabilities, v]);
    const residual = op(at, 'Add', [mixed, hidden]);
    const norm2 = op(`${at}norm2/`, 'LayerNormalization', [residual, weight([4])]);
    const up = op(`${at}mlp/`, 'MatMul', [norm2, weight([4, 8])]);
    const active = op(`${at}mlp/`, 'Relu', [up]);
    const down = op(`${at}mlp/`, 'MatMul', [active, weight([8, 4])]);
    hidden = op(at, 'Add', [down, residual]);
  }
  const last = op('head/', 'MatMul', [hidden, weight([4, 16])]);
  if (shuffled) nodes.sort((a, b) => rankByBranch(a) - rankByBranch(b));
  const graph = makeGraph({
    nodes,
    inputs: [valueInfo('ids', 'int64', [1, 'sequence'])],
    outputs: [valueInfo(last, 'float32', [1, 'sequence', 16])],
    initializers: weights,
  });
  return makeModel({ graph, opset: 17 });
}

/** Not a valid order any more, which is the point: the picture must not depend on the file's order. */
const rankByBranch = (node: Node): number => (Number(node.outputs[0]!.slice(1)) * 7919) % 1009;

/** Every layer is a node of the one before and of one further back: long edges without end. */
export function chain(count: number, reach: number): Model {
  const nodes = Array.from({ length: count }, (_, at) =>
    makeNode({
      opType: at % 7 === 0 ? 'Mul' : 'Add',
      inputs: [at === 0 ? 'x' : `v${at - 1}`, at < reach ? 'x' : `v${at - reach}`],
      outputs: [`v${at}`],
    }),
  );
  const graph = makeGraph({
    nodes,
    inputs: [valueInfo('x', 'float32', [4])],
    outputs: [valueInfo(`v${count - 1}`, 'float32', [4])],
  });
  return makeModel({ graph, opset: 17 });
}

/** Boxes of one size. */
export function requestOf({ boxes, edges }: VisibleGraph): LayoutRequest {
  return {
    width: new Float32Array(boxes.length).fill(120),
    height: new Float32Array(boxes.length).fill(40),
    parent: Int32Array.from(boxes, ({ parent }) => parent),
    isContainer: Uint8Array.from(boxes, ({ kind }) => (kind === 'container' ? 1 : 0)),
    from: Int32Array.from(edges, ({ from }) => from),
    to: Int32Array.from(edges, ({ to }) => to),
    trunk: Int32Array.from(edges, ({ trunk }) => trunk),
  };
}
