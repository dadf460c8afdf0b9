/**
 * The user's own arrays as a task's inputs, and outputs that they expect where they gave any.
 *
 * Which array belongs where:
 * - .npz: one archive is one sample; keys are the names of inputs, and of outputs where expected outputs are included.
 * - .npy: a file is named after its input (`input_ids.npy`) or output; files in one folder are one sample. With a model
 *   of one input, files of any name are one sample each.
 * - .pb: `input_0.pb`, `output_0.pb` go by position, others by the tensor's name; files in one folder are one sample.
 * An array with one axis more than the input is a stack of samples, cut along its first axis.
 */
import { StudioError } from '../../base/errors/index.ts';
import type { DType } from '../../ir/dtype.ts';
import { elementCount, tensorFromNumbers } from '../../ir/tensor.ts';
import type { Dim } from '../../ir/types.ts';
import type { HostTensor } from '../../step/define.ts';
import { badArray, type NamedArray } from '../arrays/named-array.ts';
import { isNpy, readNpy } from '../arrays/npy.ts';
import { isZip, readNpz } from '../arrays/npz.ts';
import { readTensorPb } from '../arrays/tensor-pb.ts';
import { numbersOf } from '../host-tensors.ts';
import type { Feeds } from '../types.ts';

export interface ArrayFile {
  /** With folders, as dropped: `test_data_set_0/input_0.pb`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** An input or output of the model. */
export interface ValueSpec {
  readonly name: string;
  readonly dtype: DType;
  /** undefined: rank unknown. */
  readonly shape?: readonly Dim[] | undefined;
}

export interface LoadedArrays {
  readonly feeds: readonly Feeds[];
  /** One entry a sample; null when no expected outputs were given. */
  readonly references: readonly Feeds[] | null;
}

/**
 * @throws StudioError task/bad-array (which file and why), task/shape-mismatch, task/bad-inputs (inputs without an array,
 *   expected outputs for some samples only)
 */
export async function readUserArrays(
  files: readonly ArrayFile[],
  inputs: readonly ValueSpec[],
  outputs: readonly ValueSpec[],
): Promise<LoadedArrays> {
  const groups = await groupBySample(files, inputs, outputs);
  const samples = groups.flatMap(({ name, arrays }) => toSamples(name, arrays, inputs, outputs));
  if (samples.length === 0) throw new StudioError('task/bad-inputs', { reason: 'there are no arrays among the files' });
  const expecting = samples.filter(({ expected }) => expected.size > 0).length;
  if (expecting > 0 && expecting < samples.length)
    throw new StudioError('task/bad-inputs', {
      reason: `expected outputs are given for ${expecting} of ${samples.length} samples`,
    });
  return {
    feeds: samples.map(({ feeds }) => feeds),
    references: expecting > 0 ? samples.map(({ expected }) => expected) : null,
  };
}

interface Group {
  readonly name: string;
  readonly arrays: readonly NamedArray[];
}

async function groupBySample(
  files: readonly ArrayFile[],
  inputs: readonly ValueSpec[],
  outputs: readonly ValueSpec[],
): Promise<Group[]> {
  const groups = new Map<string, NamedArray[]>();
  const add = (group: string, array: NamedArray) => {
    const arrays = groups.get(group);
    if (arrays) arrays.push(array);
    else groups.set(group, [array]);
  };
  const known = new Set([...inputs, ...outputs].map(({ name }) => name));
  for (const file of [...files].sort((a, b) => byNumber(a.name, b.name))) {
    const slash = file.name.lastIndexOf('/');
    const folder = file.name.slice(0, slash + 1);
    const stem = file.name.slice(slash + 1).replace(/\.[^.]*$/, '');
    if (isZip(file.bytes)) {
      for (const array of readNpz(file.bytes, file.name)) add(file.name, array);
    } else if (isNpy(file.bytes)) {
      const array = { name: stem, tensor: readNpy(file.bytes, file.name) };
      if (known.has(stem) || inputs.length !== 1) add(folder, array);
      else add(file.name, { ...array, name: inputs[0]!.name });
    } else if (/\.pb$/i.test(file.name)) {
      const array = await readTensorPb(file.bytes, file.name);
      add(folder, { ...array, name: positional(stem, inputs, outputs) ?? array.name });
    } else throw badArray(file.name, 'it is neither .npy nor .npz nor .pb');
  }
  return [...groups].map(([name, arrays]) => ({ name, arrays: nameInOrder(arrays, inputs, known) }));
}

/** `input_2` is the third input, whatever its name; a name of the model itself comes first. */
function positional(stem: string, inputs: readonly ValueSpec[], outputs: readonly ValueSpec[]): string | undefined {
  const [, kind, index] = /^(input|output)_(\d+)$/.exec(stem) ?? [];
  return (kind === 'input' ? inputs : kind === 'output' ? outputs : [])[Number(index)]?.name;
}

/** Keys that numpy.savez makes up (arr_0, arr_1, ...) are the inputs in order. */
function nameInOrder(
  arrays: readonly NamedArray[],
  inputs: readonly ValueSpec[],
  known: ReadonlySet<string>,
): NamedArray[] {
  return arrays.map((array) => {
    const index = /^arr_(\d+)$/.exec(array.name)?.[1];
    const input = known.has(array.name) || index === undefined ? undefined : inputs[Number(index)];
    return input ? { ...array, name: input.name } : array;
  });
}

/** So that sample_10 comes after sample_9. */
function byNumber(a: string, b: string): number {
  const split = (text: string) => text.split(/(\d+)/);
  const [left, right] = [split(a), split(b)];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const [x, y] = [left[i]!, right[i]!];
    if (x === y) continue;
    if (i % 2 === 1 && Number(x) !== Number(y)) return Number(x) - Number(y);
    return x < y ? -1 : 1;
  }
  return left.length - right.length;
}

interface Sample {
  readonly feeds: Feeds;
  readonly expected: Feeds;
}

function toSamples(
  group: string,
  arrays: readonly NamedArray[],
  inputs: readonly ValueSpec[],
  outputs: readonly ValueSpec[],
): Sample[] {
  const missing = inputs.filter(({ name }) => !arrays.some((array) => array.name === name));
  if (missing.length > 0)
    throw new StudioError('task/bad-inputs', {
      reason: `${group || 'the files'} have no array for input ${missing.map(({ name }) => `"${name}"`).join(', ')} (found: ${arrays.map(({ name }) => name).join(', ')})`,
    });
  const specOf = new Map([...outputs, ...inputs].map((spec) => [spec.name, spec]));
  const stacks = arrays.flatMap(({ name, tensor }) => {
    const spec = specOf.get(name);
    return spec ? [{ spec, parts: unstack(tensor, spec) }] : [];
  });
  const counts = new Set(stacks.map(({ parts }) => parts.length));
  const count = Math.max(...counts);
  if (counts.size > 1 && !(counts.size === 2 && counts.has(1)))
    throw new StudioError('task/bad-inputs', {
      reason: `the arrays of ${group || 'the files'} hold different numbers of samples`,
    });
  const inputNames = new Set(inputs.map(({ name }) => name));
  return Array.from({ length: count }, (_, i) => {
    const feeds = new Map<string, HostTensor>();
    const expected = new Map<string, HostTensor>();
    for (const { spec, parts } of stacks) {
      const part = parts[Math.min(i, parts.length - 1)]!;
      if (inputNames.has(spec.name)) feeds.set(spec.name, conform(part, spec));
      else expected.set(spec.name, part);
    }
    return { feeds, expected };
  });
}

/** An array of one axis more than the model asks for is many samples. */
function unstack(tensor: HostTensor, { shape }: ValueSpec): HostTensor[] {
  const { dtype, dims, data } = tensor;
  if (!shape || dims.length !== shape.length + 1 || tensor.strings) return [tensor];
  const rest = dims.slice(1);
  const bytes = data.length / dims[0]!;
  return Array.from({ length: dims[0]! }, (_, i) => ({
    dtype,
    dims: rest,
    data: data.subarray(i * bytes, (i + 1) * bytes),
  }));
}

/** Checks the shape, and converts between widths of one kind of number: NumPy's float64 and int64 are often unintended. */
function conform(tensor: HostTensor, spec: ValueSpec): HostTensor {
  const { shape } = spec;
  const fits =
    !shape ||
    (shape.length === tensor.dims.length && shape.every((dim, i) => typeof dim !== 'number' || dim === tensor.dims[i]));
  const kindOf = (dtype: DType) =>
    /^(b?float|double)/.test(dtype) ? 'float' : /^u?int/.test(dtype) ? 'integer' : dtype;
  if (!fits || kindOf(tensor.dtype) !== kindOf(spec.dtype))
    throw new StudioError('task/shape-mismatch', {
      input: spec.name,
      expected: `${spec.dtype} [${shape?.map((dim) => dim ?? '?').join(', ') ?? 'any shape'}]`,
      actual: `${tensor.dtype} [${tensor.dims.join(', ')}]`,
    });
  return tensor.dtype === spec.dtype ? tensor : convert(tensor, spec);
}

function convert(tensor: HostTensor, { name, dtype }: ValueSpec): HostTensor {
  const numbers = numbersOf(tensor)!;
  const { data } = tensorFromNumbers(name, dtype, tensor.dims, numbers);
  const converted: HostTensor = { dtype, dims: tensor.dims, data: (data as { bytes: Uint8Array }).bytes };
  if (/int/.test(dtype)) {
    const back = numbersOf(converted)!;
    for (let i = 0; i < elementCount(tensor.dims); i++)
      if (back[i] !== numbers[i])
        throw new StudioError('task/shape-mismatch', {
          input: name,
          expected: dtype,
          actual: `the value ${numbers[i]}`,
        });
  }
  return converted;
}
