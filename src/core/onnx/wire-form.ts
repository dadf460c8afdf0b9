/**
 * How the file spelled something, where the in-memory form would be written another way that means the same: a small
 * tensor in `float_data`, an attribute without its `type`, a shape with denotations. Keyed by the immutable object that
 * was read: whoever changes a value makes a new object, which then has no such memory and is written the usual way.
 */
import type { BytePart } from '../base/bytes.ts';
import type { DType } from '../ir/dtype.ts';
import type { Attribute, ExternalLocation, TensorData, TypedDataField, ValueType } from '../ir/types.ts';

export interface DataForm {
  /** Another type of tensor over the same data is written the usual way. */
  readonly dtype: DType;
  /** Undefined: no data field at all (a tensor without elements). */
  readonly field?: TypedDataField;
  /** Packed payloads, one for each occurrence of the field. */
  readonly payloads: readonly BytePart[];
}

export const dataForms = new WeakMap<TensorData, DataForm>();

/** The content of an AttributeProto. */
export const attributeForms = new WeakMap<Attribute, Uint8Array>();

/** The content of a TypeProto. */
export const typeForms = new WeakMap<ValueType, Uint8Array>();

/** The `external_data` entries in file order. */
export const externalForms = new WeakMap<ExternalLocation, ReadonlyMap<string, string>>();

/** Data that was read from an external file, and where it was: a reference is kept only while its data is the same. */
export const externalOrigins = new WeakMap<TensorData, ExternalLocation>();
