import { describe, expect, test } from 'vitest';
import { StudioError } from '../../../../src/core/base/errors/index.ts';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { createRng } from '../../../../src/core/base/rng.ts';
import { extractGraph } from '../../../../src/core/graph-view/extract.ts';
import { layOut } from '../../../../src/core/graph-view/layout/compound.ts';
import type { LayoutRequest, LayoutResult } from '../../../../src/core/graph-view/layout/types.ts';
import { visibleGraph } from '../../../../src/core/graph-view/visible.ts';
import { chain, requestOf, transformer } from './support.ts';

const now = () => performance.now();

function check(holds: boolean, what: string): void {
  // Plain, since there are hundreds of thousands of these.
  if (!holds) throw new Error(what);
}

const near = (a: number, b: number, by = 0.5): boolean => Math.abs(a - b) <= by;

/** Boxes within their container and apart from their neighbours; edges from the lower side of one to the upper of the other. */
function expectSound(request: LayoutRequest, result: LayoutResult): void {
  const { x, y, width, height, pieces, pieceParent, lastPiece } = result;
  const right = (box: number) => x[box]! + width[box]!;
  const bottom = (box: number) => y[box]! + height[box]!;
  const inside = new Map<number, number[]>();
  for (const [box, parent] of request.parent.entries()) {
    const boxes = inside.get(parent);
    if (boxes) boxes.push(box);
    else inside.set(parent, [box]);
    if (parent < 0) continue;
    const isInside =
      x[box]! >= x[parent]! - 0.01 &&
      right(box) <= right(parent) + 0.01 &&
      y[box]! >= y[parent]! &&
      bottom(box) <= bottom(parent) + 0.01;
    check(isInside, `box ${box} sticks out of ${parent}`);
  }
  for (const boxes of inside.values()) {
    const sorted = boxes.toSorted((a, b) => y[a]! - y[b]! || x[a]! - x[b]!);
    for (const [at, a] of sorted.entries())
      for (let next = at + 1; next < sorted.length && y[sorted[next]!]! < bottom(a); next += 1) {
        const b = sorted[next]!;
        check(right(a) <= x[b]! + 0.05 || right(b) <= x[a]! + 0.05, `boxes ${a} and ${b} overlap`);
      }
  }
  const isAt = (piece: number, from: number, box: number, side: number): boolean =>
    near(pieces[4 * piece + from + 1]!, side) &&
    pieces[4 * piece + from]! >= x[box]! - 0.5 &&
    pieces[4 * piece + from]! <= right(box) + 0.5;
  for (const [edge, last] of lastPiece.entries()) {
    if (last < 0) continue;
    const [source, target] = [request.from[edge]!, request.to[edge]!];
    check(isAt(last, 2, target, y[target]!), `edge ${edge} misses its target`);
    let piece = last;
    for (; pieceParent[piece]! >= 0; piece = pieceParent[piece]!) {
      const before = pieceParent[piece]!;
      const joins =
        near(pieces[4 * piece]!, pieces[4 * before + 2]!) && near(pieces[4 * piece + 1]!, pieces[4 * before + 3]!);
      check(joins, `edge ${edge} is broken`);
    }
    check(isAt(piece, 0, source, bottom(source)), `edge ${edge} misses its source`);
  }
}

/** Seeded: nodes in containers at random, edges mostly forwards. */
function randomRequest(seed: string): LayoutRequest {
  const rng = createRng(seed);
  const count = 5 + Math.floor(rng.uniform() * 60);
  const parent: number[] = [];
  const isContainer: number[] = [];
  for (let box = 0; box < count; box += 1) {
    const containers = isContainer.flatMap((flag, at) => (flag ? [at] : []));
    parent.push(
      rng.uniform() < 0.6 && containers.length > 0 ? containers[Math.floor(rng.uniform() * containers.length)]! : -1,
    );
    isContainer.push(rng.uniform() < 0.15 ? 1 : 0);
  }
  const leaves = isContainer.flatMap((flag, at) => (flag ? [] : [at]));
  const edges = Array.from({ length: 2 * count }, () => {
    const a = leaves[Math.floor(rng.uniform() * leaves.length)]!;
    const b = leaves[Math.floor(rng.uniform() * leaves.length)]!;
    return rng.uniform() < 0.9 ? ([Math.min(a, b), Math.max(a, b)] as const) : ([a, b] as const);
  });
  return {
    width: Float32Array.from({ length: count }, () => 40 + rng.uniform() * 200),
    height: Float32Array.from({ length: count }, () => 20 + rng.uniform() * 60),
    parent: Int32Array.from(parent),
    isContainer: Uint8Array.from(isContainer),
    from: Int32Array.from(edges, ([a]) => a),
    to: Int32Array.from(edges, ([, b]) => b),
    trunk: Int32Array.from(edges, ([a]) => a),
  };
}

describe('layout', () => {
  test('boxes never overlap and edges run unbroken, in random nested graphs', async () => {
    for (let seed = 0; seed < 80; seed += 1) {
      const request = randomRequest(`layout ${seed}`);
      expectSound(request, await layOut(request, quietJob, now));
    }
  });

  test('a chain stands in one straight column', async () => {
    const scope = extractGraph(chain(40, 1)).scopes[0]!;
    const graph = visibleGraph(scope, new Set(scope.groups.map(({ path }) => path)));
    const result = await layOut(requestOf(graph), quietJob, now);
    const xs = graph.boxes.flatMap(({ kind, parent }, box) => (kind === 'node' && parent < 0 ? [result.x[box]!] : []));
    expect(Math.max(...xs) - Math.min(...xs)).toBeLessThan(1);
  });

  test('a transformer, opened whole', async () => {
    const scope = extractGraph(transformer({ layers: 12, named: true })).scopes[0]!;
    const graph = visibleGraph(scope, new Set(scope.groups.map(({ path }) => path)));
    const request = requestOf(graph);
    const result = await layOut(request, quietJob, now);
    expectSound(request, result);
    expect([...result.lastPiece].every((piece) => piece >= 0)).toBe(true);
  });

  test('10,000 nodes beside each other in one level take seconds', async () => {
    const scope = extractGraph(chain(10_000, 40)).scopes[0]!;
    const flat = { ...scope, groups: [], groupOf: scope.nodes.map(() => -1) };
    const request = requestOf(visibleGraph(flat, new Set()));
    const before = process.cpuUsage();
    const result = await layOut(request, quietJob, now);
    expect(process.cpuUsage(before).user / 1e6).toBeLessThan(10);
    expectSound(request, result);
  });

  test('very many very long edges are left undrawn instead of filling the memory', async () => {
    const count = 4000;
    const request: LayoutRequest = {
      width: new Float32Array(count).fill(50),
      height: new Float32Array(count).fill(20),
      parent: new Int32Array(count).fill(-1),
      isContainer: new Uint8Array(count),
      // A chain whose every box is read by the last one too.
      from: Int32Array.from({ length: 2 * (count - 2) }, (_, at) => at >> 1),
      to: Int32Array.from({ length: 2 * (count - 2) }, (_, at) => (at % 2 === 0 ? (at >> 1) + 1 : count - 1)),
      trunk: Int32Array.from({ length: 2 * (count - 2) }, (_, at) => at >> 1),
    };
    const result = await layOut(request, quietJob, now);
    const undrawn = result.lastPiece.filter((piece) => piece < 0).length;
    expect(undrawn).toBeGreaterThan(1000);
    expect(undrawn).toBeLessThan(count);
    expectSound(request, result);
  });

  test('cancels between slices', async () => {
    const controller = new AbortController();
    const scope = extractGraph(transformer({ layers: 40, named: true })).scopes[0]!;
    const request = requestOf(visibleGraph(scope, new Set(scope.groups.map(({ path }) => path))));
    const job = { ...quietJob, signal: controller.signal, onProgress: () => controller.abort() };
    await expect(layOut(request, job, now)).rejects.toThrow(StudioError);
  });
});
