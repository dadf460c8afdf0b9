/**
 * Names that are built out of other names: onnxruntime joins them with / and _ when it fuses, quantizers likewise
 * ("conv1/MatMulAddFusion", "conv1_quant", "relu1_out_nchwc").
 */

/** Longer chains of pieces are not looked at: they would take quadratic time. */
const MOST_CUTS = 96;

/** What `find` knows under the longest piece of the name, cut where names are joined; undefined where it knows none. */
export function ofLongestPiece<T>(name: string, find: (piece: string) => T | undefined): T | undefined {
  const cuts = [0];
  for (let at = 0; at < name.length; at += 1) if (/[/_ .:]/.test(name[at]!)) cuts.push(at, at + 1);
  cuts.push(name.length);
  if (cuts.length > MOST_CUTS) cuts.splice(MOST_CUTS / 2, cuts.length - MOST_CUTS);
  let best: T | undefined;
  let longest = 0;
  for (const start of cuts)
    for (const end of cuts) {
      if (end - start <= longest) continue;
      const found = find(name.slice(start, end));
      if (found === undefined) continue;
      best = found;
      longest = end - start;
    }
  return best;
}
