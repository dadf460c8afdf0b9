/** What onnxruntime 1.30's Python quantizers made of seeded weights; test/fixtures/quant/make_vectors.py wrote it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';

export interface VectorTensor {
  readonly dtype: string;
  readonly dims: readonly number[];
  readonly data: string;
}

export interface VectorModel {
  readonly graph: {
    readonly nodes: readonly {
      readonly name: string;
      readonly opType: string;
      readonly domain: string;
      readonly inputs: readonly string[];
      readonly outputs: readonly string[];
      readonly attributes: Readonly<Record<string, unknown>>;
    }[];
    readonly initializers: Readonly<Record<string, VectorTensor>>;
  };
}

interface NBitsCase {
  readonly bits: 2 | 4 | 8;
  readonly block: number;
  readonly symmetric: boolean;
  readonly K: number;
  readonly N: number;
  readonly weight: VectorTensor;
}

export interface Vectors {
  readonly failures: Readonly<Record<string, string>>;
  readonly matmulNBits: readonly (NBitsCase & { kind: string; tensors: readonly (VectorTensor | null)[] })[];
  readonly matmulNBitsFloat16: readonly (NBitsCase & { model: VectorModel })[];
  readonly affine: readonly {
    type: string;
    symmetric: boolean;
    reduceRange: boolean;
    kind: string;
    weight: VectorTensor;
    qmin: number;
    qmax: number;
    result: readonly VectorTensor[];
  }[];
  readonly perChannel: readonly {
    type: string;
    symmetric: boolean;
    reduceRange: boolean;
    axis: number;
    weight: VectorTensor;
    rows: readonly (readonly VectorTensor[])[];
  }[];
  readonly float16Values: { values: VectorTensor; float16: VectorTensor };
  readonly dynamic: readonly {
    name: string;
    weightType: string;
    perChannel: boolean;
    reduceRange: boolean;
    source: VectorModel;
    model: VectorModel;
  }[];
}

export function bytesOf(tensor: VectorTensor): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(tensor.data, 'base64'));
}
export const float32Of = (tensor: VectorTensor) => new Float32Array(bytesOf(tensor).buffer);
export const int32Of = (tensor: VectorTensor) => new Int32Array(bytesOf(tensor).buffer);

let loaded: Vectors | undefined;
export function loadVectors(): Vectors {
  const path = fileURLToPath(new URL('../../../../fixtures/quant/vectors.json.br', import.meta.url));
  loaded ??= JSON.parse(brotliDecompressSync(readFileSync(path)).toString()) as Vectors;
  return loaded;
}
