import { parseArgs } from 'node:util';
import { StudioError } from '../core/base/errors/index.ts';

/** Bad usage: exit code 2 and a pointer to the help. */
export class UsageError extends Error {}

export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly multiple?: boolean;
  /** Shown in the help: what the value is. */
  readonly value?: string;
  readonly help: string;
}

export interface Parsed {
  readonly positionals: readonly string[];
  string(name: string): string | undefined;
  strings(name: string): readonly string[];
  flag(name: string): boolean;
  /** @throws UsageError when the value is no number in the range */
  number(name: string, fallback: number, range: { min: number; max: number; integer?: boolean }): number;
}

/** @throws UsageError naming the option and what is allowed */
export function parseCommandLine(args: readonly string[], options: Readonly<Record<string, OptionSpec>>): Parsed {
  let parsed: ReturnType<typeof parseArgs>;
  try {
    const specs = Object.fromEntries(
      Object.entries(options).map(([name, { type, short, multiple }]) => [
        name,
        { type, ...(short ? { short } : {}), ...(multiple ? { multiple } : {}) },
      ]),
    );
    parsed = parseArgs({ args: [...args], options: specs, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const values = parsed.values as Record<string, string | boolean | string[] | undefined>;
  const string = (name: string) => (typeof values[name] === 'string' ? (values[name] as string) : undefined);
  return {
    positionals: parsed.positionals,
    string,
    strings: (name) => (Array.isArray(values[name]) ? (values[name] as string[]) : []),
    flag: (name) => values[name] === true,
    number: (name, fallback, { min, max, integer }) => {
      const text = string(name);
      if (text === undefined) return fallback;
      const value = Number(text);
      if (!Number.isFinite(value) || value < min || value > max || (integer && !Number.isInteger(value)))
        throw new UsageError(
          `--${name} must be ${integer ? 'a whole number' : 'a number'} from ${min} to ${max}; it was "${text}".`,
        );
      return value;
    },
  };
}

/** "2%" is relative, "0.02" too; "abs:0.5" is absolute, in the metric's own unit. */
export function parseDrop(text: string): { mode: 'relative' | 'absolute'; maxWorse: number } {
  const absolute = text.startsWith('abs:');
  const body = absolute ? text.slice(4) : text;
  const percent = body.endsWith('%');
  const value = Number(percent ? body.slice(0, -1) : body) / (percent ? 100 : 1);
  if (!Number.isFinite(value) || value < 0 || body === '')
    throw new UsageError(`--max-drop takes 2%, 0.02 or abs:0.5; it was "${text}".`);
  return { mode: absolute ? 'absolute' : 'relative', maxWorse: value };
}

/**
 * 2: what the user can mend (files, recipes, data, usage). 130: cancelled by Ctrl+C, as shells count it. 3: everything
 * else, which is a defect or a machine in trouble.
 */
export function exitCodeOf(error: unknown): 2 | 3 | 130 {
  if (error instanceof UsageError) return 2;
  if (!(error instanceof StudioError)) return 3;
  if (error.code === 'job/cancelled') return 130;
  const family = error.code.split('/')[0];
  return ['file', 'model', 'recipe', 'link', 'task', 'pass', 'runtime', 'storage'].includes(family!) ? 2 : 3;
}
