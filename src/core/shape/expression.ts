/** How a symbolic size is represented; `symbolic.ts` has the arithmetic and says what it means. */
export type Sym = number | Expr | null;

export interface Expr {
  readonly terms: readonly Term[];
  readonly text: string;
}

export interface Term {
  readonly coefficient: number;
  /** Sorted by text; empty for the constant term. */
  readonly atoms: readonly Atom[];
  /** Atom texts joined by '*': terms with equal keys are added up. */
  readonly key: string;
}

/** `div` is floor(a/b); `floor` takes a number-valued expression; `broadcast` is the size of two broadcast dims. */
export type CallName = 'div' | 'floor' | 'max' | 'min' | 'broadcast';

export interface Atom {
  readonly text: string;
  readonly call?: { readonly name: CallName; readonly args: readonly (number | Expr)[] };
}

export const maxTerms = 24;
const maxText = 240;

export const isExpr = (value: Sym): value is Expr => typeof value === 'object' && value !== null;

export function symbol(name: string): Expr {
  return { terms: [makeTerm(1, [{ text: name }])], text: name };
}

/** @returns the canonical text of an expression, a number as it is, null for unknown */
export function toDim(value: Sym): number | string | null {
  return isExpr(value) ? value.text : value;
}

export function sameSym(a: Sym, b: Sym): boolean {
  if (a === null || b === null) return false;
  return isExpr(a) ? isExpr(b) && a.text === b.text : a === b;
}

export function call(name: CallName, args: readonly (number | Expr)[]): Sym {
  const texts = args.map((arg) => (isExpr(arg) ? arg.text : String(arg)));
  const text =
    name === 'div'
      ? `floor(${parenthesized(args[0]!, texts[0]!)}/${parenthesized(args[1]!, texts[1]!)})`
      : `${name}(${texts.join(',')})`;
  return expression([makeTerm(1, [{ text, call: { name, args } }])]);
}

/** Only a lone atom needs no parentheses as an operand of a division. */
function parenthesized(value: number | Expr, text: string): string {
  if (!isExpr(value)) return text;
  const term = value.terms[0]!;
  return value.terms.length === 1 && term.coefficient === 1 && term.atoms.length === 1 ? text : `(${text})`;
}

export function checked(value: number): Sym {
  return Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER ? value : null;
}

export function termsOf(value: number | Expr): readonly Term[] {
  return isExpr(value) ? value.terms : [makeTerm(value, [])];
}

export function sortedAtoms(atoms: Atom[]): Atom[] {
  return atoms.sort((x, y) => (x.text < y.text ? -1 : x.text > y.text ? 1 : 0));
}

export function makeTerm(coefficient: number, atoms: readonly Atom[]): Term {
  return { coefficient, atoms, key: atoms.length === 1 ? atoms[0]!.text : atoms.map((atom) => atom.text).join('*') };
}

/** Adds up equal terms and brings them into canonical order: higher degree first, then by key, the constant last. */
export function expression(parts: readonly Term[]): Sym {
  let terms: Term[];
  if (parts.length === 1) terms = parts[0]!.coefficient === 0 ? [] : [parts[0]!];
  else {
    const sums = new Map<string, Term>();
    for (const part of parts) {
      const seen = sums.get(part.key);
      sums.set(part.key, seen ? makeTerm(seen.coefficient + part.coefficient, part.atoms) : part);
    }
    terms = [...sums.values()].filter((term) => term.coefficient !== 0);
    terms.sort((a, b) => b.atoms.length - a.atoms.length || (a.key < b.key ? -1 : 1));
  }
  if (terms.length === 0) return 0;
  if (terms.length === 1 && terms[0]!.atoms.length === 0) return checked(terms[0]!.coefficient);
  if (terms.length > maxTerms || terms.some((term) => checked(term.coefficient) === null)) return null;
  let text = '';
  for (const term of terms) text += termText(term, text === '');
  return text.length > maxText ? null : { terms, text };
}

/** A minus before a name has blanks around it, because names may contain hyphens. */
function termText(term: Term, isFirst: boolean): string {
  const { coefficient, key } = term;
  const size = Math.abs(coefficient);
  const body = key === '' ? String(size) : size === 1 ? key : `${key}*${size}`;
  if (coefficient >= 0) return isFirst ? body : `+${body}`;
  return isFirst ? `-${body}` : key === '' ? `-${body}` : ` - ${body}`;
}
