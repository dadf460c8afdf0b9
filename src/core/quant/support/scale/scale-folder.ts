/**
 * Divides the channels of a value by a factor each and multiplies the weights that read them, so that the model computes
 * what it did: folded into what makes the value where that is exact, by a Mul node where not.
 */
import { makeNode } from '../../../ir/build.ts';
import { tensorFromNumbers } from '../../../ir/tensor.ts';
import type { Dim, Node, Tensor } from '../../../ir/types.ts';
import { keepNumbers, type Numbers, readNumbers, setWeight } from '../../../passes/support/weights.ts';
import type { ShapeTable } from '../../../shape/types.ts';
import type { StepContext } from '../../../step/define.ts';
import { nodeLabel } from '../patterns.ts';
import { opsetOf, type Scope } from '../scopes.ts';
import { dropIfUnused, weightKey } from '../weights.ts';
import { clipBound, type FoldPlan, planFold, type ScaledConstant } from './fold-plan.ts';
import { reciprocals, scaleAlongAxis, scaleConvInputs, transposed } from './scale-constant.ts';
import { isSharedWeight, otherUse, type ScaleGroup, type ScaleReader, scaleReader } from './scale-groups.ts';

export interface Placement {
  /** Absent: a Mul node is needed. */
  readonly fold: FoldPlan | undefined;
  /** Why no fold is possible. */
  readonly reason: string | undefined;
}

/** A change that is ready, but not made: a weight beyond its type's range must leave the graph as it was. */
type Edit = () => void;

export class ScaleFolder {
  /** New names to those that the shapes have. */
  readonly #renamed = new Map<string, string>();
  readonly #ctx: StepContext;
  readonly #scope: Scope;
  readonly #shapes: ShapeTable;

  readonly #mayBound: boolean;

  /** @param mayBound whether Clip(0, max) may become Relu and a Min with one bound a channel */
  constructor(ctx: StepContext, scope: Scope, shapes: ShapeTable, mayBound = false) {
    this.#mayBound = mayBound;
    this.#ctx = ctx;
    this.#scope = scope;
    this.#shapes = shapes;
  }

  /** By the name that the value has now. */
  readonly shapeOf = (value: string): readonly Dim[] | undefined =>
    this.#shapes.get(this.#renamed.get(value) ?? value)?.shape;

  /** The layers whose weights other nodes need as they are, e.g. an embedding that is tied to the output layer. */
  sharing(group: ScaleGroup, { fold }: Placement): readonly ScaleReader[] {
    const readers = fold ? group.readers : group.chosen;
    const nodes = new Set(readers.map(({ node }) => node));
    return readers.filter(({ weight }) => isSharedWeight(weight, nodes));
  }

  place(group: ScaleGroup): Placement {
    const { editor } = this.#scope;
    const reason = otherUse(editor, group);
    if (reason !== undefined) return { fold: undefined, reason };
    const question = {
      editor,
      shapeOf: this.shapeOf,
      opset: opsetOf(this.#ctx.model),
      channels: group.channels,
      mayBound: this.#mayBound,
    };
    const plan = planFold(question, group.root, group.axis);
    return typeof plan === 'string' ? { fold: undefined, reason: plan } : { fold: plan, reason: undefined };
  }

  /**
   * @param divisors positive, one a channel
   * @returns false when a weight would leave the range of its type; then nothing has changed
   */
  async divide(group: ScaleGroup, divisors: Float64Array, { fold }: Placement): Promise<boolean> {
    // Weights may have changed since the group was found.
    const readers = (fold ? group.readers : group.chosen).map(({ node }) => scaleReader(this.#scope, node)!);
    const compensation = await this.#compensation(readers, divisors);
    const production = fold && (await this.#production(fold, reciprocals(divisors)));
    if (!compensation || (fold && !production)) return false;
    for (const edit of [...compensation, ...(production ?? [])]) edit();
    if (fold) {
      this.#rename(fold, divisors);
      for (const clip of fold.clips) this.#bound(clip, divisors);
    } else this.#insertMul(readers, divisors);
    return true;
  }

  /** Multiplies the weights' input channels; a weight that several layers of the group read is kept one. */
  async #compensation(readers: readonly ScaleReader[], factors: Float64Array): Promise<Edit[] | undefined> {
    const byForm = new Map<string, ScaleReader[]>();
    for (const reader of readers) {
      const form = `${weightKey(reader.weight)}/${reader.site?.order ?? reader.groups}`;
      byForm.set(form, [...(byForm.get(form) ?? []), reader]);
    }
    const edits: Edit[] = [];
    for (const sharers of byForm.values()) {
      const tensor = await this.#scaledWeight(sharers[0]!, factors);
      if (!tensor) return undefined;
      edits.push(() => this.#putWeight(sharers, tensor));
    }
    return edits;
  }

  /** Under its old name where no other node reads that. */
  #putWeight(readers: readonly ScaleReader[], tensor: Tensor): void {
    const { editor } = this.#scope;
    const old = readers[0]!.node.inputs[1]!;
    const nodes = new Set(readers.map(({ node }) => node));
    const isOwn =
      editor.graph.initializers.has(old) &&
      !editor.isGraphInput(old) &&
      readers.every(({ weight, node }) => node.inputs[1] === old && !isSharedWeight(weight, nodes));
    if (isOwn) {
      editor.replaceInitializer(old, tensor);
      return;
    }
    const name = editor.addInitializer(tensor);
    for (const { node } of readers) {
      const before = node.inputs[1]!;
      editor.setInputs(
        node,
        node.inputs.map((input, index) => (index === 1 ? name : input)),
      );
      dropIfUnused(this.#scope, before);
    }
  }

  async #scaledWeight(reader: ScaleReader, factors: Float64Array): Promise<Tensor | undefined> {
    const { tensor, transposed: isTransposed, valueName } = reader.weight;
    const values = await readNumbers(tensor);
    const { site } = reader;
    if (!site) return this.#keep(valueName, tensor, scaleConvInputs(values, tensor.dims, reader.groups, factors));
    const scaled = scaleAlongAxis(values, tensor.dims, site.order === 'columns' ? -2 : -1, factors).values;
    if (!isTransposed) return this.#keep(valueName, tensor, scaled);
    const [rows, columns] = tensor.dims as [number, number];
    return this.#keep(valueName, { ...tensor, dims: [columns, rows] }, transposed(scaled, rows, columns));
  }

  #keep(name: string, { dtype, dims }: Pick<Tensor, 'dtype' | 'dims'>, values: Numbers): Promise<Tensor | undefined> {
    return keepNumbers(this.#ctx, name, dtype, dims, values);
  }

  async #production({ constants }: FoldPlan, factors: Float64Array): Promise<Edit[] | undefined> {
    const edits: Edit[] = [];
    for (const constant of constants) {
      const edit = await this.#scaledOperand(constant, factors);
      if (!edit) return undefined;
      edits.push(edit);
    }
    return edits;
  }

  async #scaledOperand({ node, index, axis }: ScaledConstant, factors: Float64Array): Promise<Edit | undefined> {
    const { editor } = this.#scope;
    const name = node.inputs[index]!;
    const tensor = editor.constantOf(name)!;
    const { values, dims } = scaleAlongAxis(await readNumbers(tensor), tensor.dims, axis, factors);
    const scaled = await keepNumbers(this.#ctx, name, tensor.dtype, dims, values);
    return scaled && (() => setWeight(editor, node, index, scaled));
  }

  /** A name stands for a value; these are no longer what they were. */
  #rename({ values }: FoldPlan, divisors: Float64Array): void {
    const { editor } = this.#scope;
    for (const { value, axis } of values) {
      const name = editor.freshName(`${value}_scaled`);
      const node = editor.producerOf(value)!;
      editor.setOutputs(
        node,
        node.outputs.map((output) => (output === value ? name : output)),
      );
      editor.replaceUses(value, name);
      editor.graph.valueInfo.delete(value);
      this.#renamed.set(name, this.#renamed.get(value) ?? value);
      this.#ctx.rescaled.note(name, value, { axis, divisors });
    }
  }

  /** min(relu(x) / s, max / s): ReLU6 of a channel that is divided has another bound. */
  #bound(clip: Node, divisors: Float64Array): void {
    const { editor } = this.#scope;
    const output = clip.outputs[0]!;
    const { axis } = this.#ctx.rescaled.get(output)!;
    const max = clipBound({ editor }, clip)!;
    const dtype = this.#shapes.get(this.#renamed.get(output) ?? output)?.dtype ?? 'float32';
    const dims = [divisors.length, ...new Array<number>(-axis - 1).fill(1)];
    const bounds = divisors.map((divisor) => max / divisor);
    const positive = editor.freshName(`${output}_relu`);
    const name = nodeLabel(clip);
    editor.replaceNode(clip, [
      makeNode({ opType: 'Relu', name, inputs: [clip.inputs[0]!], outputs: [positive] }),
      makeNode({
        opType: 'Min',
        name: editor.freshName(`${name}_Min`),
        inputs: [positive, editor.addInitializer(tensorFromNumbers(`${output}_bounds`, dtype, dims, bounds))],
        outputs: [output],
      }),
    ]);
  }

  /** One Mul for each value that the group's layers read; other readers keep the value as it is. */
  #insertMul(readers: readonly ScaleReader[], divisors: Float64Array): void {
    const { editor } = this.#scope;
    const made = new Map<string, string>();
    for (const { node, value, axis, weight } of readers) {
      const scaled = made.get(value) ?? this.#mul(node, value, axis, weight.tensor.dtype, divisors);
      made.set(value, scaled);
      editor.setInputs(
        node,
        node.inputs.map((input, index) => (index === 0 ? scaled : input)),
      );
    }
  }

  #mul(reader: Node, value: string, axis: number, dtype: Tensor['dtype'], divisors: Float64Array): string {
    const { editor } = this.#scope;
    const dims = [divisors.length, ...new Array<number>(-axis - 1).fill(1)];
    const factors = tensorFromNumbers(`${value}_factors`, dtype, dims, reciprocals(divisors));
    const output = editor.freshName(`${value}_scaled`);
    const mul = makeNode({
      opType: 'Mul',
      name: editor.freshName(`${nodeLabel(reader)}_Mul`),
      inputs: [value, editor.addInitializer(factors)],
      outputs: [output],
    });
    editor.addNode(mul, { before: reader });
    return output;
  }
}
