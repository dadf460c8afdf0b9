// Models of 2 GB for the benches: many large initializers, written in pieces so that this script needs little memory.

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';

const tensorBytes = 4 * 1024 * 1024;

/** As many 4 MiB weights as fit into one protobuf file. */
export const weightCount = Math.floor((2 ** 31 - 1 - 1024 * 1024) / tensorBytes);

/**
 * A chain of MatMul with one large weight each, and the small constants that real graphs have between them.
 * @param core bundle with ir/build, ir/tensor, ir/attributes
 */
export function largeModel(core) {
  const values = Float32Array.from({ length: tensorBytes / 4 }, (_, i) => ((i * 2654435761) >>> 0) / 2 ** 31 - 1);
  const payload = new Uint8Array(values.buffer);
  const nodes = [];
  const initializers = [];
  for (let i = 0; i < weightCount; i += 1) {
    const scope = `/model/layers.${i}/mlp`;
    initializers.push(core.tensorFromBytes(`${scope}/weight`, 'float32', [1024, 1024], payload));
    initializers.push(core.tensorFromNumbers(`${scope}/bias`, 'float32', [1024], new Float32Array(1024).fill(i)));
    const add = (opType, inputs, output) =>
      nodes.push(core.makeNode({ name: `${scope}/${opType}`, opType, inputs, outputs: [output] }));
    add('MatMul', [i === 0 ? 'input' : `y${i - 1}`, `${scope}/weight`], `m${i}`);
    add('Add', [`m${i}`, `${scope}/bias`], `y${i}`);
  }
  const graph = core.makeGraph({
    nodes,
    initializers: initializers.slice(0, weightCount * 2),
    inputs: [core.valueInfo('input', 'float32', ['batch', 1024])],
    outputs: [core.valueInfo(`y${weightCount - 1}`, 'float32', ['batch', 1024])],
  });
  return core.makeModel({ graph });
}

/** Writes the model twice into the folder: inline, and with external data. */
export async function writeLargeModels(core, folder) {
  const model = largeModel(core);
  const inline = await core.writeModel(model);
  await saveParts(core, join(folder, 'inline.onnx'), inline.graph);
  const external = await core.writeModel(model, { externalData: { location: 'weights.bin', thresholdBytes: 1024 } });
  await saveParts(core, join(folder, 'external.onnx'), external.graph);
  await saveParts(core, join(folder, 'weights.bin'), external.external);
  return { inlineBytes: inline.graphByteLength, externalBytes: external.graphByteLength + external.externalByteLength };
}

async function saveParts(core, path, parts) {
  const stream = createWriteStream(path);
  for await (const chunk of core.streamParts(parts)) if (!stream.write(chunk)) await once(stream, 'drain');
  stream.end();
  await once(stream, 'finish');
}
