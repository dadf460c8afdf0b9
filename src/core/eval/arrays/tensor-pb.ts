/** Single TensorProto files, as ONNX test data sets have them (input_0.pb, output_0.pb). */
import { StudioError } from '../../base/errors/index.ts';
import { memorySource } from '../../base/memory-source.ts';
import { readTensorBytes } from '../../ir/tensor.ts';
import { readTensorProto } from '../../onnx/tensor-proto.ts';
import type { HostTensor } from '../../step/define.ts';
import { badArray, type NamedArray } from './named-array.ts';

/** @throws StudioError task/bad-array */
export async function readTensorPb(bytes: Uint8Array, name: string): Promise<NamedArray> {
  try {
    const tensor = await readTensorProto(memorySource(name, bytes));
    return { name: tensor.name, tensor: await hostTensor(tensor) };
  } catch (error) {
    if (!(error instanceof StudioError) || error.code === 'task/bad-array') throw error;
    throw badArray(name, 'it is no TensorProto', error);
  }
}

async function hostTensor(tensor: Awaited<ReturnType<typeof readTensorProto>>): Promise<HostTensor> {
  const { dtype, dims, data } = tensor;
  if (data.kind !== 'strings') return { dtype, dims, data: await readTensorBytes(tensor) };
  const decoder = new TextDecoder();
  return { dtype, dims, data: new Uint8Array(), strings: data.values.map((value) => decoder.decode(value)) };
}
