/**
 * Works on several items at a time and gives the results in the items' order.
 * @param atOnce items whose work has begun and whose result was not taken yet, at most
 * @throws what the items or the work throw; what has begun then ends unheard
 */
export async function* inOrder<Item, Result>(
  items: AsyncIterable<Item> | Iterable<Item>,
  atOnce: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const begun: Promise<Result>[] = [];
  for await (const item of items) {
    const result = work(item);
    // Whoever waits for it hears of a failure; until then, or when nobody ever does, it is not an unhandled one.
    result.catch(() => {});
    begun.push(result);
    if (begun.length >= atOnce) yield await begun.shift()!;
  }
  for (const result of begun) yield await result;
}
