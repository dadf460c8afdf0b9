/** Which values of a draft are values of the original with their channels divided, and by what. */

export interface ChannelDivisors {
  /** Of the channels, from the end: -1 is the last. */
  readonly axis: number;
  readonly divisors: Float64Array;
}

export interface RescaledValue extends ChannelDivisors {
  /** The value's name in the original. */
  readonly original: string;
}

/**
 * Methods that equalize channels rename the values they rescale, so that a name keeps its meaning through a recipe; what
 * later compares a draft with the original looks here.
 */
export class RescaledValues {
  readonly #values = new Map<string, RescaledValue>();
  /** By names of the original. */
  readonly #latest = new Map<string, string>();

  /** `name` is `of` with its channels divided. */
  note(name: string, of: string, { axis, divisors }: ChannelDivisors): void {
    const before = this.#values.get(of);
    this.#latest.set(before?.original ?? of, name);
    if (before && (before.axis !== axis || before.divisors.length !== divisors.length))
      throw new Error(`"${of}" was rescaled along another axis before`);
    this.#values.set(name, {
      original: before?.original ?? of,
      axis,
      divisors: before ? divisors.map((divisor, at) => divisor * before.divisors[at]!) : divisors,
    });
  }

  get(name: string): RescaledValue | undefined {
    return this.#values.get(name);
  }

  /** What a value of the original has become; undefined when it was not rescaled. */
  latestOf(original: string): (RescaledValue & { readonly name: string }) | undefined {
    const name = this.#latest.get(original);
    return name === undefined ? undefined : { name, ...this.#values.get(name)! };
  }
}
