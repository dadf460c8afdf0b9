import type { OptionSpec } from '../args.ts';

export interface Command {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** @returns the exit code: 0 done, 1 the gate did not pass, 2 bad input or usage */
  readonly run: (args: readonly string[]) => Promise<0 | 1 | 2>;
}
