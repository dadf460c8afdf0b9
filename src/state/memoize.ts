/** Remembers the last call: the same arguments (by identity) give the same result object. */
export function memoize<Args extends readonly unknown[], Result>(
  compute: (...args: Args) => Result,
): (...args: Args) => Result {
  let last: { args: Args; result: Result } | null = null;
  return (...args) => {
    if (last?.args.every((value, index) => Object.is(value, args[index]))) return last.result;
    const result = compute(...args);
    last = { args, result };
    return result;
  };
}
