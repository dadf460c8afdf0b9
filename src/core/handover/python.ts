/** Values as Python source. */

export type PythonValue =
  | string
  | number
  | boolean
  | null
  | Code
  | readonly PythonValue[]
  | { readonly [key: string]: PythonValue };

/** Source that stands as it is, e.g. a name. */
export class Code {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

export const code = (source: string): Code => new Code(source);

/** @returns a Python expression; strings are quoted so that whatever is in them stays a string */
export function python(value: PythonValue): string {
  if (value instanceof Code) return value.source;
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : `float("${value}")`;
  if (typeof value === 'string') return pythonString(value);
  if (Array.isArray(value)) return `[${(value as readonly PythonValue[]).map(python).join(', ')}]`;
  const entries = Object.entries(value as Record<string, PythonValue>);
  return `{${entries.map(([key, item]) => `${pythonString(key)}: ${python(item)}`).join(', ')}}`;
}

/** A JSON string is a Python string, but for surrogates, which JSON.stringify escapes one by one. */
function pythonString(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A call with one argument a line; arguments that are undefined are left to the callee's defaults. */
export function call(callee: string, args: Readonly<Record<string, PythonValue | undefined>>, indent = ''): string {
  const lines = Object.entries(args).flatMap(([name, value]) =>
    value === undefined ? [] : [`${indent}    ${/^\d+$/.test(name) ? '' : `${name}=`}${python(value)},`],
  );
  return [`${callee}(`, ...lines, `${indent})`].join('\n');
}
