/**
 * Names that are built out of other names: onnxruntime joins them with / and _ when it fuses, quantizers likewise
 * ("conv1/MatMulAddFusion", "conv1_quant", "relu1_out_nchwc").
 */

/** Of a name with more joints only the first and the last are tried: pieces grow with their square. */
const MOST_JOINTS = 24;

/** Things by name, found under whole names and under names that are built out of them. */
export class NameIndex<T> {
  readonly #things = new Map<string, T>();
  /** Cutting a piece out of a name costs far more than asking whether any name is as long. */
  readonly #lengths = new Set<number>();

  add(name: string, thing: T): void {
    this.#things.set(name, thing);
    this.#lengths.add(name.length);
  }

  get(name: string): T | undefined {
    return this.#things.get(name);
  }

  /** What has the longest piece of the name, cut at its joints, as its own name. @param isFit whether it counts */
  ofLongestPiece(name: string, isFit: (thing: T) => boolean = () => true): T | undefined {
    const joints: number[] = [];
    for (let at = 0; at < name.length; at += 1) if (isJoint(name.charCodeAt(at))) joints.push(at);
    if (joints.length > MOST_JOINTS) joints.splice((MOST_JOINTS * 2) / 3, joints.length - MOST_JOINTS);
    // Names of exporters begin with a slash themselves.
    const starts = [0, ...joints.flatMap((at) => (name[at] === '/' ? [at, at + 1] : [at + 1]))];
    const ends = [...joints, name.length].reverse();
    let best: T | undefined;
    let longest = 0;
    for (const start of starts)
      for (const end of ends) {
        if (end - start <= longest) break;
        if (!this.#lengths.has(end - start)) continue;
        const thing = this.#things.get(name.slice(start, end));
        if (thing === undefined || !isFit(thing)) continue;
        best = thing;
        longest = end - start;
        break;
      }
    return best;
  }
}

const JOINTS = new Set([...'/_ .:'].map((character) => character.charCodeAt(0)));
const isJoint = (code: number): boolean => JOINTS.has(code);
