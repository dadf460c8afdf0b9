let counter = 0;

/** Unique within the page and, by its random part, across restored sessions. Never shown. */
export function newVariantId(): string {
  counter += 1;
  const random = crypto.getRandomValues(new Uint32Array(1))[0]!.toString(36);
  return `v${counter}-${random}`;
}
