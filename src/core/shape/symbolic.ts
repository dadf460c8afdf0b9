/**
 * Arithmetic on dimensions that may be symbolic.
 *
 * A `Sym` is a number, an expression, or null (unknown, which absorbs). An expression is a polynomial over atoms with
 * number coefficients; an atom is a symbol ("batch") or a call that does not reduce ("floor((h+1)/2)"). Every
 * expression has one canonical text, so equal texts mean equal values.
 *
 * Symbols stand for dimensions and are therefore taken to be integers >= 0; `max`, `min` and comparisons use that.
 * Expressions are kept small (terms, text length): past the limit a result becomes null, which keeps inference linear.
 */
import {
  type Atom,
  type CallName,
  call,
  checked,
  type Expr,
  expression,
  isExpr,
  makeTerm,
  maxTerms,
  type Sym,
  sameSym,
  sortedAtoms,
  type Term,
  termsOf,
  toDim,
} from './expression.ts';

export { type CallName, type Expr, isExpr, type Sym, sameSym, symbol, toDim } from './expression.ts';

export function add(a: Sym, b: Sym): Sym {
  if (a === null || b === null) return null;
  if (!isExpr(a) && !isExpr(b)) return checked(a + b);
  if (a === 0) return b;
  if (b === 0) return a;
  return expression([...termsOf(a), ...termsOf(b)]);
}

export function neg(a: Sym): Sym {
  return mul(a, -1);
}

export function sub(a: Sym, b: Sym): Sym {
  return add(a, neg(b));
}

export function mul(a: Sym, b: Sym): Sym {
  if (a === 0 || b === 0) return 0;
  if (a === null || b === null) return null;
  if (!isExpr(a) && !isExpr(b)) return checked(a * b);
  if (a === 1) return b;
  if (b === 1) return a;
  const left = termsOf(a);
  const right = termsOf(b);
  if (left.length * right.length > maxTerms * 2) return null;
  const products: Term[] = [];
  for (const l of left)
    for (const r of right)
      products.push(makeTerm(l.coefficient * r.coefficient, sortedAtoms([...l.atoms, ...r.atoms])));
  return expression(products);
}

export function product(factors: readonly Sym[]): Sym {
  let result: Sym = 1;
  for (const factor of factors) result = mul(result, factor);
  return result;
}

/** a / b where the quotient is provably a polynomial with integer coefficients; null otherwise. */
export function divideExactly(a: Sym, b: Sym): Sym {
  if (a === null || b === null || b === 0) return null;
  if (!isExpr(a) && !isExpr(b)) return a % b === 0 ? a / b : null;
  if (sameSym(a, b)) return 1;
  if (a === 0) return 0;
  let rest: Sym = a;
  let quotient: Sym = 0;
  const lead = termsOf(b)[0]!;
  for (let step = 0; step < maxTerms && rest !== 0; step++) {
    if (rest === null) return null;
    const part = divideTerm(termsOf(rest)[0]!, lead);
    if (part === null) return null;
    quotient = add(quotient, part);
    rest = sub(rest, mul(part, b));
  }
  return rest === 0 ? quotient : null;
}

/** floor(a / b). */
export function floorDiv(a: Sym, b: Sym): Sym {
  if (a === null || b === null || b === 0) return null;
  if (!isExpr(a) && !isExpr(b)) return Math.floor(a / b);
  const exact = divideExactly(a, b);
  if (exact !== null) return exact;
  if (typeof b !== 'number' || b < 0 || !isExpr(a)) return call('div', [a, b]);
  const whole: Term[] = [];
  const rest: Term[] = [];
  for (const term of a.terms) {
    const quotient = Math.floor(term.coefficient / b);
    const isConstant = term.atoms.length === 0;
    if (isConstant || term.coefficient % b === 0) {
      if (quotient !== 0) whole.push(makeTerm(quotient, term.atoms));
      const remainder = term.coefficient - quotient * b;
      if (remainder !== 0) rest.push(makeTerm(remainder, term.atoms));
    } else rest.push(term);
  }
  const remainder = expression(rest);
  const nested = isExpr(remainder) ? nestedDivision(remainder) : undefined;
  const fraction = nested
    ? floorDiv(nested.dividend, mul(nested.divisor, b))
    : isExpr(remainder)
      ? call('div', [remainder, b])
      : floorDiv(remainder, b);
  return add(expression(whole), fraction);
}

/** ceil(a / b). */
export function ceilDiv(a: Sym, b: Sym): Sym {
  if (typeof b === 'number' && b > 0) return floorDiv(add(a, b - 1), b);
  return neg(floorDiv(neg(a), b));
}

/** floor of a value that need not be whole. */
export function floor(a: Sym): Sym {
  if (a === null) return null;
  if (!isExpr(a)) return Math.floor(a);
  return a.terms.every((term) => Number.isInteger(term.coefficient)) ? a : call('floor', [a]);
}

/** a - b * floor(a / b): the remainder with the sign of b. */
export function floorMod(a: Sym, b: Sym): Sym {
  return sub(a, mul(b, floorDiv(a, b)));
}

export function max(a: Sym, b: Sym): Sym {
  if (a === null || b === null) return null;
  if (!isExpr(a) && !isExpr(b)) return Math.max(a, b);
  if (isAtLeast(a, b)) return a;
  if (isAtLeast(b, a)) return b;
  return call('max', sorted(a, b));
}

export function min(a: Sym, b: Sym): Sym {
  if (a === null || b === null) return null;
  if (!isExpr(a) && !isExpr(b)) return Math.min(a, b);
  if (isAtLeast(a, b)) return b;
  if (isAtLeast(b, a)) return a;
  return call('min', sorted(a, b));
}

/** Provably a >= b for all non-negative values of the symbols. */
export function isAtLeast(a: Sym, b: Sym): boolean {
  return isNonNegative(sub(a, b));
}

/** Provably a != b for all non-negative values of the symbols. */
export function isDistinct(a: Sym, b: Sym): boolean {
  const difference = sub(a, b);
  if (difference === null) return false;
  if (!isExpr(difference)) return difference !== 0;
  return isNonNegative(sub(difference, 1)) || isNonNegative(sub(neg(difference), 1));
}

/**
 * The size of two dims broadcast together (ONNX multidirectional broadcasting): 1 gives way; a known size above 1 wins
 * over a symbol, since the symbol can only be 1 or the same.
 * @returns 'mismatch' when both are known and differ
 */
export function broadcastDim(a: Sym, b: Sym): Sym | 'mismatch' {
  if (a === 1) return b;
  if (b === 1) return a;
  if (typeof a === 'number' && typeof b === 'number') return a === b ? a : 'mismatch';
  if (typeof a === 'number') return a;
  if (typeof b === 'number') return b;
  if (a === null || b === null) return null;
  if (a.text === b.text) return a;
  const operands = new Map<string, Expr>();
  for (const side of [a, b])
    for (const operand of broadcastOperands(side) ?? [side]) operands.set(operand.text, operand);
  const args = [...operands.values()].sort((x, y) => (x.text < y.text ? -1 : 1));
  return call('broadcast', args);
}

/** The operands when a value is nothing but a broadcast of symbolic sizes. */
export function broadcastOperands(value: Expr): readonly Expr[] | undefined {
  const term = value.terms.length === 1 ? value.terms[0]! : undefined;
  const inner = term?.coefficient === 1 && term.atoms.length === 1 ? term.atoms[0]!.call : undefined;
  return inner?.name === 'broadcast' ? inner.args.filter(isExpr) : undefined;
}

/** Replaces symbols and simplifies. `lookup` returns undefined for a symbol that stays. */
export function substitute(value: Sym, lookup: (name: string) => Sym | undefined): Sym {
  if (!isExpr(value)) return value;
  let sum: Sym = 0;
  for (const term of value.terms) {
    let part: Sym = term.coefficient;
    for (const atom of term.atoms) part = mul(part, substituteAtom(atom, lookup));
    sum = add(sum, part);
  }
  return sum;
}

/** The names of all symbols in a value. */
export function symbolsOf(value: Sym, into: Set<string> = new Set()): Set<string> {
  if (!isExpr(value)) return into;
  for (const term of value.terms)
    for (const atom of term.atoms) {
      if (atom.call) for (const arg of atom.call.args) symbolsOf(arg, into);
      else into.add(atom.text);
    }
  return into;
}

/**
 * Whether float32 arithmetic computes the expression without rounding, for sizes up to 2^16: coefficients with few
 * fraction bits do. Otherwise a Floor behind it may land on the other side than the exact value would.
 */
export function isExactInFloat32(value: Sym): boolean {
  return isExpr(value) && value.terms.every((term) => Number.isInteger(term.coefficient * 256));
}

/** Applies a call by name with simplification, as the parser and `substitute` need it. */
export function apply(name: CallName, args: readonly Sym[]): Sym {
  const [first = null, second = null] = args;
  switch (name) {
    case 'div':
      return floorDiv(first, second);
    case 'floor':
      return floor(first);
    case 'max':
      return args.reduce(max);
    case 'min':
      return args.reduce(min);
    case 'broadcast':
      return args.reduce<Sym>((a, b) => {
        const size = broadcastDim(a, b);
        return size === 'mismatch' ? null : size;
      }, 1);
  }
}

function substituteAtom(atom: Atom, lookup: (name: string) => Sym | undefined): Sym {
  if (!atom.call) return lookup(atom.text) ?? expression([makeTerm(1, [atom])]);
  return apply(
    atom.call.name,
    atom.call.args.map((arg) => substitute(arg, lookup)),
  );
}

function isNonNegative(value: Sym): boolean {
  if (value === null) return false;
  if (!isExpr(value)) return value >= 0;
  return value.terms.every((term) => term.coefficient >= 0 && term.atoms.every(isAtomNonNegative));
}

function isAtomNonNegative(atom: Atom): boolean {
  if (!atom.call) return true;
  const { name, args } = atom.call;
  return name === 'max' ? args.some(isNonNegative) : name === 'broadcast' || args.every(isNonNegative);
}

/** floor(x/m) + c, which divided by n is floor((x + c*m) / (m*n)): a chain of strides becomes one division. */
function nestedDivision(value: Expr): { dividend: Sym; divisor: number } | undefined {
  const [term, constant] = value.terms;
  const offset = constant ? constant.coefficient : 0;
  if (value.terms.length > 2 || (constant && constant.atoms.length > 0) || !Number.isInteger(offset)) return undefined;
  if (term?.coefficient !== 1 || term.atoms.length !== 1) return undefined;
  const inner = term.atoms[0]!.call;
  const divisor = inner?.args[1];
  if (inner?.name !== 'div' || typeof divisor !== 'number') return undefined;
  return { dividend: add(inner.args[0]!, offset * divisor), divisor };
}

function divideTerm(dividend: Term, divisor: Term): Sym {
  if (dividend.coefficient % divisor.coefficient !== 0) return null;
  const atoms = [...dividend.atoms];
  for (const atom of divisor.atoms) {
    const at = atoms.findIndex((candidate) => candidate.text === atom.text);
    if (at < 0) return null;
    atoms.splice(at, 1);
  }
  return expression([makeTerm(dividend.coefficient / divisor.coefficient, atoms)]);
}

function sorted(a: number | Expr, b: number | Expr): (number | Expr)[] {
  return String(toDim(a)) <= String(toDim(b)) ? [a, b] : [b, a];
}
