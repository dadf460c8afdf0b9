import { StudioError } from '../base/errors/index.ts';
import { byteLengthOf } from './dtype.ts';
import { elementCount } from './tensor.ts';
import { topologicalOrder } from './topo.ts';
import type { FunctionDef, Graph, Model, Node, Tensor, ValueInfo } from './types.ts';
import { isDefaultDomain, localValues, opName, subgraphsOf } from './walk.ts';

/** More would only bury the first. */
const errorLimit = 100;
const depthLimit = 64;

/**
 * Checks what onnx.checker calls the structure of a model: every value that is read is produced (in the graph or one
 * around it), none is produced twice, no cycles, sizes that make sense, data as long as the shape asks for. The order
 * of nodes is not checked: runtimes sort. Shapes and attribute contracts of operators are not checked here.
 * @returns at most 100 errors, model/{dangling-input, dangling-output, duplicate-value, cycle, bad-dims, data-mismatch,
 *   too-deep}; empty for a sound model
 */
export function validateModel(model: Model): StudioError[] {
  const errors = new Errors();
  validateGraph(model.graph, { values: new Set(), outer: undefined, depth: 1, path: 'graph' }, errors);
  for (const definition of model.functions) validateFunction(definition, errors);
  return errors.list;
}

class Errors {
  readonly list: StudioError[] = [];

  add(...error: ConstructorParameters<typeof StudioError>): void {
    if (this.list.length < errorLimit) this.list.push(new StudioError(...error));
  }
}

/** Values that a graph may read, and the scope around it. */
interface Scope {
  readonly values: ReadonlySet<string>;
  readonly outer: Scope | undefined;
  readonly depth: number;
  readonly path: string;
}

function isVisible(value: string, scope: Scope | undefined): boolean {
  for (let at = scope; at; at = at.outer) if (at.values.has(value)) return true;
  return false;
}

function validateGraph(graph: Graph, around: Scope, errors: Errors): void {
  const scope: Scope = { ...around, values: localValues(graph), outer: around };
  if (scope.depth > depthLimit) {
    errors.add('model/too-deep', { depth: scope.depth, path: scope.path.slice(0, 120), limit: depthLimit });
    return;
  }
  for (const tensor of graph.initializers.values()) validateTensor(tensor, errors);
  for (const info of [...graph.inputs, ...graph.outputs]) validateDims(info, errors);
  const inputs = new Set(graph.inputs.map((input) => input.name));
  // An initializer may repeat an input: it is its default then.
  const weights = [...graph.initializers.keys(), ...graph.sparseInitializers.map((sparse) => sparse.values.name)];
  const given = [...graph.inputs.map((input) => input.name), ...weights.filter((name) => !inputs.has(name))];
  validateNodes(graph.nodes, given, scope, errors);
  for (const { name } of graph.outputs)
    if (!isVisible(name, scope)) errors.add('model/dangling-output', { value: name, graph: scope.path.slice(0, 120) });
}

function validateFunction(definition: FunctionDef, errors: Errors): void {
  const values = new Set(definition.inputs);
  for (const node of definition.nodes) for (const output of node.outputs) values.add(output);
  const path = `function ${opName({ opType: definition.name, domain: definition.domain })}`;
  const scope: Scope = { values, outer: undefined, depth: 1, path };
  validateNodes(definition.nodes, definition.inputs, scope, errors);
  for (const output of definition.outputs)
    if (!values.has(output)) errors.add('model/dangling-output', { value: output, graph: path });
}

/** @param given values that are there before any node, each once */
function validateNodes(nodes: readonly Node[], given: readonly string[], scope: Scope, errors: Errors): void {
  const produced = new Set<string>();
  const produce = (value: string): void => {
    if (value === '') return;
    if (produced.has(value)) errors.add('model/duplicate-value', { value });
    produced.add(value);
  };
  for (const value of given) produce(value);
  for (const node of nodes) {
    for (const output of node.outputs) produce(output);
    for (const input of node.inputs)
      if (input !== '' && !isVisible(input, scope))
        errors.add('model/dangling-input', { node: nodeLabel(node), opType: opName(node), value: input });
    if (node.opType === 'Constant' && isDefaultDomain(node.domain)) {
      const value = node.attributes.get('value');
      if (value?.type === 'tensor') validateTensor(value.value, errors);
    }
    for (const graph of subgraphsOf(node))
      validateGraph(graph, { ...scope, depth: scope.depth + 1, path: `${scope.path}.${nodeLabel(node)}` }, errors);
  }
  const { cycle } = topologicalOrder(nodes);
  if (cycle) errors.add('model/cycle', { node: nodeLabel(cycle[0]!), opType: opName(cycle[0]!) });
}

/** Many exporters leave nodes without names. */
const nodeLabel = (node: Node): string => node.name || node.outputs.find((output) => output !== '') || node.opType;

function validateTensor(tensor: Tensor, errors: Errors): void {
  const { name, dtype } = tensor;
  const dims = tensor.dims.join(', ');
  if (tensor.dims.some((dim) => !Number.isSafeInteger(dim) || dim < 0)) {
    errors.add('model/bad-dims', { tensor: name, dims, reason: 'have a size that is no count' });
    return;
  }
  const expected = byteLengthOf(dtype, elementCount(tensor.dims));
  const { data } = tensor;
  const actual =
    data.kind === 'bytes' ? data.bytes.byteLength : data.kind === 'range' ? data.range.byteLength : expected;
  if (actual !== expected) errors.add('model/data-mismatch', { tensor: name, dtype, dims, expected, actual });
  if (data.kind === 'strings' && data.values.length !== elementCount(tensor.dims))
    errors.add('model/bad-dims', { tensor: name, dims, reason: `do not fit the ${data.values.length} strings stored` });
}

function validateDims(info: ValueInfo, errors: Errors): void {
  if (!info.type || info.type.kind === 'other') return;
  const known = (info.type.shape ?? []).filter((dim) => typeof dim === 'number');
  const dims = (info.type.shape ?? []).join(', ');
  if (known.some((dim) => dim < 0))
    errors.add('model/bad-dims', { tensor: info.name, dims, reason: 'have a negative size' });
  else if (!known.includes(0) && !Number.isSafeInteger(elementCount(known)))
    errors.add('model/bad-dims', { tensor: info.name, dims, reason: 'multiply to more than 2^53 elements' });
}
