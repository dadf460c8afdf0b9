/**
 * A step's parameter schema as form fields. The schema is the only declaration; this reads it through zod's JSON Schema
 * output, so the form, the link codec and the command line cannot disagree.
 */
import { z } from 'zod';

interface FieldBase {
  readonly key: string;
  readonly title: string;
  readonly description: string;
  readonly unit?: string;
  /** Folded away at first: `.meta({ advanced })` says so, else lists and what comes after the first few parameters. */
  readonly advanced?: boolean;
}

/** A step's most important parameters are declared first; people who only want to choose see these. */
const PRIMARY_FIELDS = 4;

export type FormField = FieldBase &
  (
    | { readonly kind: 'boolean'; readonly default: boolean }
    | {
        readonly kind: 'enum';
        readonly default: string | number;
        readonly options: readonly (string | number)[];
        readonly optionTitles: Readonly<Record<string, string>>;
      }
    | {
        readonly kind: 'number';
        readonly default: number;
        readonly min?: number;
        readonly max?: number;
        readonly integer: boolean;
      }
    | { readonly kind: 'string'; readonly default: string; readonly maxLength?: number }
    | { readonly kind: 'string-list'; readonly default: readonly string[] }
  );

interface JsonSchemaNode {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly unit?: string;
  readonly advanced?: boolean;
  readonly optionTitles?: Record<string, string>;
  readonly default?: unknown;
  readonly enum?: readonly (string | number)[];
  readonly anyOf?: readonly { readonly const?: string | number }[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly items?: JsonSchemaNode;
}

/**
 * @param schema a z.object whose fields have defaults and `.meta({ title, description, unit?, optionTitles?, advanced? })`
 * @throws Error for a field that no control can draw; a test runs this over the whole registry
 */
export function formFields(schema: z.ZodObject): readonly FormField[] {
  const fields = known.get(schema) ?? fieldsOf(schema);
  known.set(schema, fields);
  return fields;
}

/** Every step that is drawn asks, and making a JSON schema takes milliseconds. */
const known = new WeakMap<z.ZodObject, readonly FormField[]>();

function fieldsOf(schema: z.ZodObject): FormField[] {
  const { properties = {} } = z.toJSONSchema(schema, { io: 'output', unrepresentable: 'any' }) as {
    properties?: Record<string, JsonSchemaNode>;
  };
  return Object.entries(properties).map(([key, node], index) => toField(key, node, index));
}

function toField(key: string, node: JsonSchemaNode, index: number): FormField {
  if (node.default === undefined) throw new Error(`Parameter ${key} has no default.`);
  if (!node.title) throw new Error(`Parameter ${key} has no title.`);
  const base = {
    key,
    title: node.title,
    description: node.description ?? '',
    ...(node.unit ? { unit: node.unit } : {}),
    ...((node.advanced ?? (node.type === 'array' || index >= PRIMARY_FIELDS)) ? { advanced: true } : {}),
  };
  const options = node.enum ?? node.anyOf?.map((option) => option.const).filter((value) => value !== undefined);
  if (options && options.length > 0)
    return {
      ...base,
      kind: 'enum',
      default: node.default as string | number,
      options,
      optionTitles: node.optionTitles ?? {},
    };
  switch (node.type) {
    case 'boolean':
      return { ...base, kind: 'boolean', default: node.default as boolean };
    case 'integer':
    case 'number':
      return {
        ...base,
        kind: 'number',
        default: node.default as number,
        integer: node.type === 'integer',
        ...(node.minimum === undefined ? {} : { min: node.minimum }),
        ...(node.maximum === undefined ? {} : { max: node.maximum }),
      };
    case 'string':
      return {
        ...base,
        kind: 'string',
        default: node.default as string,
        ...(node.maxLength === undefined ? {} : { maxLength: node.maxLength }),
      };
    case 'array':
      if (node.items?.type === 'string') return { ...base, kind: 'string-list', default: node.default as string[] };
      break;
  }
  throw new Error(`Parameter ${key} has a type that no form control draws: ${JSON.stringify(node)}`);
}
