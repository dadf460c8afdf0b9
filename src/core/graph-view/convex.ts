/** Whether no way leads out of the block and back into it, along nodes in flow order. Linear in the block's extent. */
export function isConvex(block: readonly number[], producers: readonly (readonly number[])[]): boolean {
  const members = new Set(block);
  const low = block.reduce((least, position) => Math.min(least, position), Number.POSITIVE_INFINITY);
  const high = block.reduce((most, position) => Math.max(most, position), 0);
  const behind = new Set<number>();
  for (let position = low; position <= high; position += 1) {
    const reads = producers[position]!;
    if (!members.has(position)) {
      if (reads.some((producer) => members.has(producer) || behind.has(producer))) behind.add(position);
    } else if (reads.some((producer) => behind.has(producer))) return false;
  }
  return true;
}
