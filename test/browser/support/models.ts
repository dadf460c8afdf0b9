import { createRng } from '../../../src/core/base/rng.ts';
import { attrInt } from '../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../src/core/ir/build.ts';
import { tensorFromNumbers } from '../../../src/core/ir/tensor.ts';
import { modelToBytes } from '../../../src/core/onnx/write.ts';

/** A small classifier: two dense layers and a Softmax, batch free, every weight seeded. */
export async function smallClassifier(width = 64): Promise<Uint8Array> {
  const rng = createRng('small classifier');
  const weights = (name: string, dims: number[]) =>
    tensorFromNumbers(
      name,
      'float32',
      dims,
      Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => rng.normal() / 8),
    );
  const graph = makeGraph({
    name: 'classifier',
    nodes: [
      makeNode({ opType: 'MatMul', name: 'dense1', inputs: ['x', 'w1'], outputs: ['h0'] }),
      makeNode({ opType: 'Add', name: 'bias1', inputs: ['h0', 'b1'], outputs: ['h1'] }),
      makeNode({ opType: 'Relu', name: 'relu', inputs: ['h1'], outputs: ['h2'] }),
      makeNode({ opType: 'Identity', name: 'nothing', inputs: ['h2'], outputs: ['h3'] }),
      makeNode({ opType: 'MatMul', name: 'dense2', inputs: ['h3', 'w2'], outputs: ['h4'] }),
      makeNode({
        opType: 'Softmax',
        name: 'softmax',
        inputs: ['h4'],
        outputs: ['probabilities'],
        attributes: { axis: attrInt(1) },
      }),
    ],
    inputs: [valueInfo('x', 'float32', ['batch', width])],
    outputs: [valueInfo('probabilities', 'float32', ['batch', 10])],
    initializers: [weights('w1', [width, 128]), weights('b1', [128]), weights('w2', [128, 10])],
  });
  return modelToBytes(makeModel({ graph, opset: 17 }));
}
