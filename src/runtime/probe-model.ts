/**
 * The smallest useful model, as bytes: y = Identity(x), float32 [1], opset 13, IR 8. Fields by onnx.proto:
 * ir_version 8; graph { node { input x, output y, op_type Identity }, name "", input x, output y }; opset_import 13.
 */
export const identityModel = new Uint8Array([
  8, 8, 58, 54, 10, 16, 10, 1, 120, 18, 1, 121, 34, 8, 73, 100, 101, 110, 116, 105, 116, 121, 18, 0, 90, 15, 10, 1, 120,
  18, 10, 10, 8, 8, 1, 18, 4, 10, 2, 8, 1, 98, 15, 10, 1, 121, 18, 10, 10, 8, 8, 1, 18, 4, 10, 2, 8, 1, 66, 4, 10, 0,
  16, 13,
]);
