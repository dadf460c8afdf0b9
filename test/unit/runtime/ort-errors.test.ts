import { describe, expect, test } from 'vitest';
import { StudioError } from '../../../src/core/base/errors/index.ts';
import { mapRuntimeError, reasonOf } from '../../../src/runtime/ort-errors.ts';

/** Messages as onnxruntime-web and onnxruntime-node 1.30 give them, collected by running them. */
const collected: readonly [message: string, code: string, data: object][] = [
  [
    "Can't create a session. ERROR_CODE: 9, ERROR_MESSAGE: Could not find an implementation for BiasAdd(1) node with name ''",
    'runtime/missing-kernel',
    { opType: 'BiasAdd(1)', target: 'WASM' },
  ],
  [
    "Can't create a session. ERROR_CODE: 1, ERROR_MESSAGE: Fatal error: com.foo:Bar(-1) is not a registered function/op",
    'runtime/missing-kernel',
    { opType: 'com.foo:Bar(-1)' },
  ],
  [
    'This is an invalid model. In Node, ("", Barr, "", -1) : ("x": tensor(float),) -> ("y": tensor(float),) , Error No Op registered for Barr with domain_version of 17',
    'runtime/missing-kernel',
    { opType: 'Barr' },
  ],
  [
    "Can't create a session. ERROR_CODE: 1, ERROR_MESSAGE: This is an invalid model. Error: the graph is not acyclic.",
    'runtime/model-rejected',
    { reason: 'This is an invalid model. Error: the graph is not acyclic' },
  ],
  [
    "Invalid model. Node input 'q' is not a graph input, initializer, or output of a previous node.",
    'runtime/model-rejected',
    {},
  ],
  [
    "Can't create a session. ERROR_CODE: 7, ERROR_MESSAGE: Failed to load model because protobuf parsing failed.",
    'runtime/model-rejected',
    { reason: 'Failed to load model because protobuf parsing failed' },
  ],
  [
    "Can't create a session. ERROR_CODE: 1, ERROR_MESSAGE: /mnt/a/_work/1/s/onnxruntime/core/graph/model.cc:203 onnxruntime::Model::Model(ModelProto &&, const PathString &, const IOnnxRuntimeOpSchemaRegistryList *, const logging::Logger &, const ModelOptions &) Unsupported model IR version: 99, max supported IR version: 13\n",
    'runtime/model-rejected',
    { reason: 'Unsupported model IR version: 99, max supported IR version: 13' },
  ],
  [
    'failed to call OrtRun(). ERROR_CODE: 2, ERROR_MESSAGE: Got invalid dimensions for input: x for the following indices\n index: 1 Got: 4 Expected: 3\n Please fix either the inputs/outputs or the model.',
    'task/shape-mismatch',
    { input: 'x', expected: '3 at dimension 1', actual: '4' },
  ],
  [
    'failed to call OrtRun(). ERROR_CODE: 2, ERROR_MESSAGE: Invalid rank for input: x Got: 3 Expected: 2 Please fix either the inputs/outputs or the model.',
    'task/shape-mismatch',
    { input: 'x', expected: '2 dimensions', actual: '3 dimensions' },
  ],
  [
    'Unexpected input data type. Actual: (tensor(int32)) , expected: (tensor(float))',
    'task/shape-mismatch',
    { expected: 'tensor(float)', actual: 'tensor(int32)' },
  ],
  [
    'failed to call OrtRun(). ERROR_CODE: 1, ERROR_MESSAGE: /mnt/s/onnxruntime/core/common/safeint.h:17 static void SafeIntExceptionHandler<onnxruntime::OnnxRuntimeException>::SafeIntOnOverflow() Integer overflow\n',
    'runtime/out-of-memory',
    { reason: 'Integer overflow' },
  ],
  ['failed to call OrtRun(). ERROR_CODE: 6, ERROR_MESSAGE: std::bad_alloc', 'runtime/out-of-memory', {}],
  [
    'failed to call OrtRun(). ERROR_CODE: 1, ERROR_MESSAGE: Program MatMul requires f16 but the device does not support it.',
    'runtime/unsupported-by-device',
    {},
  ],
  [
    'failed to call OrtRun(). ERROR_CODE: 1, ERROR_MESSAGE: WebGPU validation failed. Buffer size (1200000000) exceeds the max buffer size limit (1073741824).\n - While calling [Device].CreateBuffer([BufferDescriptor]).',
    'runtime/unsupported-by-device',
    {
      reason:
        'WebGPU validation failed. Buffer size (1200000000) exceeds the max buffer size limit (1073741824). - While calling [Device].CreateBuffer([BufferDescriptor])',
    },
  ],
  [
    'no available backend found. ERR: [wasm] TypeError: Failed to fetch dynamically imported module: http://x/ort.mjs',
    'runtime/unavailable',
    { reason: 'Failed to fetch dynamically imported module: http://x/ort.mjs' },
  ],
  ['WebGPU is not supported in current environment', 'runtime/unavailable', {}],
  [
    "failed to call OrtRun(). ERROR_CODE: 2, ERROR_MESSAGE: Non-zero status code returned while running Gather node. Name:'' Status Message: indices element out of data bounds, idx=7 must be within the inclusive range [-2,1]",
    'runtime/run-failed',
    {},
  ],
];

describe('mapRuntimeError', () => {
  test.each(collected)('%s', (message, code, data) => {
    const original = new Error(message);
    const error = mapRuntimeError(original, 'WASM', 'run');
    expect(error.code).toBe(code);
    expect(error.data).toMatchObject(data);
    expect(error.cause).toBe(original);
  });

  test('leaves our own errors alone', () => {
    const own = new StudioError('job/cancelled', {});
    expect(mapRuntimeError(own, 'WASM', 'run')).toBe(own);
  });

  test('names a C++ exception without a message for what it is', () => {
    expect(mapRuntimeError(5312784, 'WASM', 'create').data.reason).toBe('a C++ exception without a message (5312784)');
  });
});

describe('reasonOf', () => {
  test('drops path, signature and condition of an assertion inside a message', () => {
    const message =
      "Non-zero status code returned while running Reshape node. Name:'' Status Message: /s/onnxruntime/core/providers/cpu/tensor/reshape_helper.h:91 onnxruntime::ReshapeHelper::ReshapeHelper(const onnxruntime::TensorShape&, onnxruntime::TensorShapeVector&, bool) input_shape_size == requested_shape_size was false. The input tensor cannot be reshaped to the requested shape. Input shape:{6}, requested shape:{4,4}\n";
    expect(reasonOf(message)).toBe(
      "Non-zero status code returned while running Reshape node. Name:'' Status Message: The input tensor cannot be reshaped to the requested shape. Input shape:{6}, requested shape:{4,4}",
    );
  });
  test('keeps what follows a bare file name', () => {
    expect(reasonOf('matmul_helper.h:61 Compute MatMul dimension mismatch')).toBe(
      'matmul_helper.h:61 Compute MatMul dimension mismatch',
    );
  });
});
