/**
 * Reads a dimension's text as an expression: what `symbolic.ts` prints, and what exporters write into `dim_param`
 * ("past_sequence_length + 1", "s0//2", "floor(h/2 - 1)", "2*s0", "Max(1, s1)"). Text outside this grammar is one
 * symbol with that name, so nothing is ever refused.
 *
 *   sum     := product (('+' | '-') product)*
 *   product := factor (('*' | '//' | '/') factor)*
 *   factor  := number | name | name '(' sum (',' sum)* ')' | '(' sum ')' | '-' factor
 */
import {
  add,
  apply,
  ceilDiv,
  divideExactly,
  floorDiv,
  floorMod,
  isExpr,
  mul,
  neg,
  type Sym,
  symbol,
} from './symbolic.ts';

/** A hyphen between letters belongs to the name ("batch-size"); before a digit or a blank it is a minus. */
const token = /\s*(?:(\d+(?:\.\d+)?)|([A-Za-z_?][\w.?[\]]*(?:-[A-Za-z_][\w.?[\]]*)*)|(\/\/|[-+*/(),]))/y;
const plainName = /^[A-Za-z_?][\w.?[\]-]*$/;
const maxNesting = 32;

/** @param lookup the value of a symbol, where one is given (an override) */
export function parseDim(text: string, lookup?: (name: string) => number | undefined): Sym {
  const trimmed = text.trim();
  const resolve = (name: string): Sym => lookup?.(name) ?? symbol(name);
  const whole = lookup?.(text);
  if (whole !== undefined) return whole;
  if (plainName.test(trimmed) && !/-\d/.test(trimmed)) return resolve(trimmed);
  const tokens = tokenize(trimmed);
  const parsed = tokens && new Parser(tokens, resolve).parse();
  return parsed === undefined || parsed === null ? symbol(trimmed) : parsed;
}

/** A name for an unnamed dimension: axis `axis` of `value`, in characters that `parseDim` reads back as one symbol. */
export function dimNameOf(value: string, axis: number): string {
  const clean = value.replace(/[^\w.]+/g, '_');
  return `${/^[A-Za-z_]/.test(clean) ? clean : `_${clean}`}[${axis}]`;
}

function tokenize(text: string): string[] | undefined {
  const tokens: string[] = [];
  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const match = token.exec(text);
    if (!match) return undefined;
    tokens.push(match[0].trim());
  }
  return tokens.length === 0 ? undefined : tokens;
}

/** Every method returns undefined on text outside the grammar. */
class Parser {
  private at = 0;
  private depth = 0;
  private readonly tokens: readonly string[];
  private readonly resolve: (name: string) => Sym;

  constructor(tokens: readonly string[], resolve: (name: string) => Sym) {
    this.tokens = tokens;
    this.resolve = resolve;
  }

  parse(): Sym | undefined {
    const value = this.sum();
    return this.at === this.tokens.length ? value : undefined;
  }

  private sum(): Sym | undefined {
    let left = this.product();
    while (left !== undefined && (this.peek() === '+' || this.peek() === '-')) {
      const operator = this.next();
      const right = this.product();
      if (right === undefined) return undefined;
      left = add(left, operator === '+' ? right : neg(right));
    }
    return left;
  }

  private product(): Sym | undefined {
    let left = this.factor();
    while (left !== undefined && ['*', '/', '//'].includes(this.peek() ?? '')) {
      const operator = this.next();
      const right = this.factor();
      if (right === undefined) return undefined;
      if (operator === '*') left = mul(left, right);
      // A lone "/" means an exact quotient: sympy writes floor(...) around every other one.
      else left = (operator === '/' ? divideExactly(left, right) : null) ?? floorDiv(left, right);
    }
    return left;
  }

  private factor(): Sym | undefined {
    const head = this.next();
    if (head === undefined || this.depth >= maxNesting) return undefined;
    this.depth += 1;
    const value = this.factorAt(head);
    this.depth -= 1;
    return value;
  }

  private factorAt(head: string): Sym | undefined {
    if (head === '-') {
      const value = this.factor();
      return value === undefined ? undefined : neg(value);
    }
    if (head === '(') {
      const value = this.sum();
      return this.next() === ')' ? value : undefined;
    }
    if (/^\d/.test(head)) return Number(head);
    if (!/^[A-Za-z_?]/.test(head)) return undefined;
    return this.peek() === '(' ? this.callOf(head) : this.resolve(head);
  }

  private callOf(name: string): Sym | undefined {
    this.next();
    const args: Sym[] = [];
    do {
      const value = this.sum();
      if (value === undefined) return undefined;
      args.push(value);
    } while (this.peek() === ',' && this.next());
    return this.next() === ')' ? applyNamed(name, args) : undefined;
  }

  private peek(): string | undefined {
    return this.tokens[this.at];
  }

  private next(): string | undefined {
    return this.tokens[this.at++];
  }
}

function applyNamed(name: string, args: readonly Sym[]): Sym | undefined {
  const [first, second] = args;
  switch (name.toLowerCase()) {
    case 'floor':
      // The division inside has been floored already.
      return args.length === 1 ? apply('floor', args) : undefined;
    case 'floordiv':
      return args.length === 2 ? floorDiv(first!, second!) : undefined;
    case 'ceildiv':
      return args.length === 2 ? ceilDiv(first!, second!) : undefined;
    case 'mod':
      return args.length === 2 ? floorMod(first!, second!) : undefined;
    case 'max':
      return apply('max', args);
    case 'min':
      return apply('min', args);
    case 'broadcast':
      return apply('broadcast', args);
    default:
      return undefined;
  }
}

/** The value of a dimension's text under a binding of its symbols; undefined while a symbol is not bound. */
export function evaluateDim(
  dim: number | string | null,
  bindings: Readonly<Record<string, number>>,
): number | undefined {
  if (typeof dim !== 'string') return dim ?? undefined;
  const value = parseDim(dim, (name) => (Object.hasOwn(bindings, name) ? bindings[name] : undefined));
  return isExpr(value) || value === null ? undefined : value;
}
