// Runs models in onnxruntime-node and compares outputs.

let loaded;
export async function onnxruntime() {
  loaded ??= import('onnxruntime-node').then((module) => module.default ?? module);
  return loaded;
}

const quiet = { logSeverityLevel: 4, intraOpNumThreads: 1 };

export async function openSession(model, graphOptimizationLevel, more = {}) {
  const ort = await onnxruntime();
  return ort.InferenceSession.create(model, { ...quiet, graphOptimizationLevel, ...more });
}

/** What subjects.mjs needs to make inputs. */
export async function declaredInputs(path) {
  const session = await openSession(path, 'disabled');
  const inputs = session.inputMetadata.map(({ name, type, shape }) => ({ name, type, shape: shape ?? [] }));
  await session.release();
  return inputs;
}

/** @returns outputs in the model's order: { dims, data } */
export async function outputsOf(model, feeds, level = 'disabled') {
  const ort = await onnxruntime();
  const session = await openSession(model, level);
  try {
    const tensors = Object.entries(feeds)
      .filter(([name]) => session.inputNames.includes(name))
      .map(([name, { dtype, dims, data }]) => [name, new ort.Tensor(dtype, data, dims)]);
    const outputs = await session.run(Object.fromEntries(tensors));
    return session.outputNames.map((name) => outputs[name]);
  } finally {
    await session.release();
  }
}

/** Largest difference of any element over the largest magnitude of its output; NaN where shapes or NaNs differ. */
export function relativeError(expected, got) {
  let worst = 0;
  for (const [at, { dims, data }] of expected.entries()) {
    const other = got[at];
    if (other === undefined || String(other.dims) !== String(dims)) return Number.NaN;
    let [largest, range] = [0, 1e-30];
    for (let i = 0; i < data.length; i++) {
      const [a, b] = [Number(data[i]), Number(other.data[i])];
      if (Number.isNaN(a) !== Number.isNaN(b)) return Number.NaN;
      if (Number.isNaN(a) || a === b) continue;
      largest = Math.max(largest, Math.abs(a - b));
      range = Math.max(range, Math.abs(a));
    }
    for (let i = 0; i < data.length; i++) {
      const size = Math.abs(Number(data[i]));
      if (Number.isFinite(size)) range = Math.max(range, size);
    }
    worst = Math.max(worst, largest / range);
  }
  return worst;
}
