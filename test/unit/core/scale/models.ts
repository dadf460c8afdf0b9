/** Models of any size for the tests of scale. */
import { makeNode } from '../../../../src/core/ir/build.ts';
import type { Graph, Model, Node } from '../../../../src/core/ir/types.ts';
import { graph, ints, model, node, noise, scalar } from '../passes/helpers.ts';

/** Ten nodes a layer: a linear layer with GELU, a no-op, a reshape and a residual. */
export function layers(count: number): Model {
  const nodes: Node[] = [];
  const add = (opType: string, output: string, ...inputs: string[]) =>
    void nodes.push(makeNode({ opType, inputs, outputs: [output] }));
  let x = 'x';
  for (let i = 0; i < count; i++) {
    add('MatMul', `m${i}`, x, 'w');
    add('Add', `a${i}`, `m${i}`, 'b');
    add('Div', `d${i}`, `a${i}`, 'root');
    add('Erf', `e${i}`, `d${i}`);
    add('Add', `f${i}`, `e${i}`, 'one');
    add('Mul', `g${i}`, `a${i}`, `f${i}`);
    add('Mul', `h${i}`, `g${i}`, 'half');
    add('Identity', `i${i}`, `h${i}`);
    add('Reshape', `r${i}`, `i${i}`, 'dims');
    add('Add', `y${i}`, `r${i}`, x);
    x = `y${i}`;
  }
  const weights = {
    w: noise('w', [8, 8], 'float32', 0.1),
    b: noise('b', [8]),
    root: scalar(Math.SQRT2),
    one: scalar(1),
    half: scalar(0.5),
    dims: ints(-1, 8),
  };
  return model({ inputs: { x: [4, 8] }, outputs: [x], weights, nodes });
}

/** One operator after the other, without anything to fuse. */
export function chain(count: number): Model {
  const nodes = Array.from({ length: count }, (_, i) =>
    makeNode({ opType: 'Tanh', inputs: [i === 0 ? 'x' : `v${i - 1}`], outputs: [`v${i}`] }),
  );
  return model({ inputs: { x: [2] }, outputs: [`v${count - 1}`], nodes });
}

/** A graph with `width` Ifs whose branches are such graphs again, `depth` levels down. */
export function nestedIfs(depth: number, width: number): Graph {
  const nodes: Node[] = [];
  for (let at = 0; at < width && depth > 0; at++) {
    const inner = () => nestedIfs(depth - 1, width);
    nodes.push(node(`b${depth}_${at} = If(flag)`, { then_branch: inner(), else_branch: inner() }));
  }
  return graph({ outputs: [`o${depth}`], nodes: [...nodes, `o${depth} = Identity(x)`] });
}
