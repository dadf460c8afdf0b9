// The rows of docs/QUANTIZATION-TABLE.md: our recipes, and the reference implementation's method that each stands beside.
const step = (id, params = {}) => ({ id, params });
const blocks = (id, bits, blockSize, params = {}) => [step(id, { bits, blockSize, ...params })];
/** What the quantizer left in float, embeddings above all, in 8 bits: as the reference's tools have it too. */
const rest = step('weight-int8');
const staticInt8 = (granularity, method, params = {}) => [
  step('static-int8', { granularity, method, ...params }),
  rest,
];

/**
 * id, title, steps after simplification, and which method of bench/reference/quality.py it is compared with (the table
 * puts the two side by side). `only`: the kinds of subjects that it makes sense for; absent: all.
 */
export const methods = [
  { id: 'fp32', title: 'float32, simplified', steps: [] },
  { id: 'fp16', title: 'FP16', steps: [step('fp16')] },
  { id: 'bf16', title: 'BF16 weights', steps: [step('bf16')] },
  { id: 'fp8', title: 'FP8 E4M3 (simulated)', steps: [step('fp8-qdq')] },
  {
    id: 'dynamic-tensor',
    title: 'Dynamic INT8, per tensor',
    steps: [step('dynamic-int8', { granularity: 'tensor' }), rest],
    only: ['language', 'image'],
    reference: 'ort-dynamic-tensor',
  },
  {
    // The reference's weights are uint8 with a zero point here, since it has no other convolution kernel.
    id: 'dynamic-tensor-uint8',
    title: 'Dynamic UINT8 with zero points, per tensor',
    steps: [step('dynamic-int8', { granularity: 'tensor', weightType: 'uint8', symmetric: false }), rest],
    only: ['convolution'],
    reference: 'ort-dynamic-tensor',
  },
  {
    id: 'dynamic-channel',
    title: 'Dynamic INT8, per channel',
    steps: [step('dynamic-int8', { granularity: 'channel' }), rest],
    reference: 'ort-dynamic-channel',
  },
  {
    id: 'smooth-dynamic',
    title: 'SmoothQuant + dynamic INT8',
    steps: [step('smoothquant'), step('dynamic-int8', { granularity: 'channel' }), rest],
    only: ['language', 'image'],
    reference: 'ort-dynamic-channel',
  },
  { id: 'weight-int8', title: 'INT8 weights', steps: [step('weight-int8')] },
  {
    id: 'outlier-int8',
    title: 'LLM.int8(): outlier features in float',
    steps: [step('outlier-int8')],
    only: ['language', 'image'],
  },
  {
    id: 'static-minmax-tensor',
    title: 'Static INT8 min-max, per tensor',
    steps: staticInt8('tensor', 'min-max'),
    reference: 'ort-static-minmax-tensor',
  },
  {
    id: 'cle-static-tensor',
    title: 'Equalization + static INT8, per tensor',
    steps: [step('cross-layer-equalization'), ...staticInt8('tensor', 'mse'), step('bias-correction')],
    only: ['convolution'],
    reference: 'ort-static-minmax-tensor',
  },
  {
    id: 'static-minmax-channel',
    title: 'Static INT8 min-max, per channel',
    steps: staticInt8('channel', 'min-max'),
    reference: 'ort-static-minmax-channel',
  },
  {
    id: 'static-mse-channel',
    title: 'Static INT8 least squares, per channel',
    steps: staticInt8('channel', 'mse'),
    reference: 'ort-static-minmax-channel',
  },
  {
    id: 'static-entropy-channel',
    title: 'Static INT8 entropy, per channel',
    steps: staticInt8('channel', 'entropy'),
    reference: 'ort-static-entropy-channel',
  },
  {
    id: 'static-percentile-channel',
    title: 'Static INT8 percentile, per channel',
    steps: staticInt8('channel', 'percentile'),
    reference: 'ort-static-percentile-channel',
  },
  {
    id: 'smooth-static',
    title: 'SmoothQuant + static INT8 with sensitive layers kept',
    steps: [step('smoothquant'), ...staticInt8('channel', 'mse', { sensitivity: 'auto' })],
    reference: 'ort-static-minmax-channel',
  },
  {
    id: 'rtn8-b128',
    title: 'RTN 8 bits, block 128',
    steps: blocks('weight-only-rtn', 8, 128),
    reference: 'ort-rtn8-b128',
  },
  { id: 'rtn4-b32', title: 'RTN 4 bits, block 32', steps: blocks('weight-only-rtn', 4, 32), reference: 'ort-rtn4-b32' },
  {
    id: 'rtn4-b32-sym',
    title: 'RTN 4 bits, block 32, symmetric',
    steps: blocks('weight-only-rtn', 4, 32, { symmetric: true }),
    reference: 'ort-rtn4-b32-sym',
  },
  {
    id: 'rtn4-b128',
    title: 'RTN 4 bits, block 128',
    steps: blocks('weight-only-rtn', 4, 128),
    reference: 'ort-rtn4-b128',
  },
  {
    id: 'rtn3-b128',
    title: 'RTN 3 bits, block 128',
    steps: blocks('weight-only-rtn', 3, 128),
    reference: 'torch-rtn3-b128',
  },
  {
    id: 'mse4-b32',
    title: 'Clip search 4 bits, block 32',
    steps: blocks('weight-only-mse', 4, 32),
    reference: 'ort-rtn4-b32',
  },
  {
    id: 'mse4-b128',
    title: 'Clip search 4 bits, block 128',
    steps: blocks('weight-only-mse', 4, 128),
    reference: 'ort-rtn4-b128',
  },
  { id: 'hqq4-b32', title: 'HQQ 4 bits, block 32', steps: blocks('weight-only-hqq', 4, 32), reference: 'ort-hqq4-b32' },
  {
    id: 'hqq4-b128',
    title: 'HQQ 4 bits, block 128',
    steps: blocks('weight-only-hqq', 4, 128),
    reference: 'ort-hqq4-b128',
  },
  {
    id: 'kquant4-b32',
    title: 'k-quant 4 bits, block 32',
    steps: blocks('weight-only-kquant', 4, 32),
    reference: 'ort-kquant4-b32',
  },
  {
    id: 'gptq4-b32',
    title: 'GPTQ 4 bits, block 32',
    steps: blocks('weight-only-gptq', 4, 32),
    reference: 'torch-gptq4-b32',
  },
  {
    id: 'gptq4-b128',
    title: 'GPTQ 4 bits, block 128',
    steps: blocks('weight-only-gptq', 4, 128),
    reference: 'torch-gptq4-b128',
  },
  {
    id: 'gptq3-b128',
    title: 'GPTQ 3 bits, block 128',
    steps: blocks('weight-only-gptq', 3, 128),
    reference: 'torch-gptq3-b128',
  },
  {
    id: 'awq4-b32',
    title: 'AWQ 4 bits, block 32',
    steps: blocks('weight-only-awq', 4, 32),
    reference: 'torch-awq4-b32',
  },
  {
    id: 'awq4-b128',
    title: 'AWQ 4 bits, block 128',
    steps: blocks('weight-only-awq', 4, 128),
    reference: 'torch-awq4-b128',
  },
  {
    id: 'awq3-b128',
    title: 'AWQ 3 bits, block 128',
    steps: blocks('weight-only-awq', 3, 128),
    reference: 'torch-awq3-b128',
  },
  {
    id: 'awq-gptq4-b128',
    title: 'GPTQ on AWQ scales, 4 bits, block 128',
    steps: blocks('weight-only-gptq', 4, 128, { scaling: 'awq' }),
    reference: 'torch-gptq4-b128',
  },
  {
    id: 'awq-gptq3-b128',
    title: 'GPTQ on AWQ scales, 3 bits, block 128',
    steps: blocks('weight-only-gptq', 3, 128, { scaling: 'awq' }),
    reference: 'torch-gptq3-b128',
  },
  { id: 'nf4-b64', title: 'NF4, block 64', steps: [step('weight-only-bnb4', { blockSize: 64 })] },
  {
    id: 'kquant4-km',
    title: 'k-quant 4 bits with a K_M mixture',
    steps: blocks('weight-only-kquant', 4, 32, { mixture: 'k-m' }),
    only: ['language', 'image'],
  },
];
