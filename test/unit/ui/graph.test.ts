import { describe, expect, test } from 'vitest';
import { quietJob } from '../../../src/core/base/progress.ts';
import { extractGraph } from '../../../src/core/graph-view/extract.ts';
import { layOut } from '../../../src/core/graph-view/layout/compound.ts';
import { firstCamera, fitCamera, keepInSight, panBy, showBox, zoomAt } from '../../../src/ui/graph/camera.ts';
import { figuresMode, graphModes, paintScene } from '../../../src/ui/graph/colour-modes.ts';
import { inkOn, mix, sequential } from '../../../src/ui/graph/colour-scales.ts';
import type { Ink } from '../../../src/ui/graph/ink.ts';
import { counterparts, madeBy } from '../../../src/ui/graph/made-by.ts';
import { draftScene, finishScene } from '../../../src/ui/graph/scene.ts';
import { carriedOver, changeView, firstState, openIn } from '../../../src/ui/graph/view-state.ts';
import { indexOf } from '../../../src/ui/graph/WeightView.tsx';
import { walk } from '../../../src/ui/graph/walk.ts';
import { transformer } from '../core/graph-view/support.ts';

const document = extractGraph(transformer({ layers: 8, named: true }), { dims: { sequence: 5 } });
const scope = document.scopes[0]!;
const sceneOf = async (open: ReadonlySet<string>) => {
  const draft = draftScene('test', scope, open);
  return finishScene(draft, await layOut(draft.request, quietJob, () => performance.now()));
};
const ink = { surface: '#fff' } as Ink;
const view = { width: 800, height: 600 };

describe('what is in sight', () => {
  test('the index finds exactly the boxes and pieces that a look at all of them finds', async () => {
    const scene = await sceneOf(new Set(scope.groups.map(({ path }) => path)));
    const { x, y, width, height, pieces, pieceTrunk } = scene.layout;
    for (let at = 0; at < 60; at += 1) {
      const left = (at * 37) % 900;
      const top = (at * 613) % scene.layout.totalHeight;
      const rect = { left, top, right: left + 300, bottom: top + 250 + at * 20 };
      const boxes = scene.graph.boxes.flatMap(({ kind }, box) => {
        const beside = x[box]! > rect.right || x[box]! + width[box]! < rect.left;
        const above = y[box]! > rect.bottom || y[box]! + height[box]! < rect.top;
        return kind === 'container' || beside || above ? [] : [box];
      });
      expect(scene.index.boxesIn(rect).sort((a, b) => a - b)).toEqual(boxes);
      const found: number[] = [];
      scene.index.eachPiece(rect, (piece) => found.push(piece));
      const expected = [...pieceTrunk.keys()].filter((piece) => {
        const [x1, y1, x2, y2] = pieces.subarray(4 * piece, 4 * piece + 4) as unknown as [
          number,
          number,
          number,
          number,
        ];
        const beside = Math.max(x1, x2) < rect.left || Math.min(x1, x2) > rect.right;
        return pieceTrunk[piece]! >= 0 && !beside && y1 <= rect.bottom && y2 >= rect.top;
      });
      expect(found.sort((a, b) => a - b)).toEqual(expected);
    }
  });

  test('the camera: a point stays under the pointer, nothing gets lost, a box is brought into sight', () => {
    const camera = { x: 100, y: 50, scale: 0.5 };
    const point = { x: 200, y: 300 };
    const zoomed = zoomAt(camera, point, 3, 0.01);
    expect(zoomed.x + point.x / zoomed.scale).toBeCloseTo(camera.x + point.x / camera.scale, 9);
    expect(zoomed.y + point.y / zoomed.scale).toBeCloseTo(camera.y + point.y / camera.scale, 9);
    expect(zoomAt(camera, point, 1e9, 0.01).scale).toBe(3);
    const content = { width: 1000, height: 50_000 };
    const lost = keepInSight(panBy(camera, 1e9, -1e9), content, view);
    expect(lost.x + view.width / lost.scale).toBeGreaterThan(0);
    expect(lost.y).toBeLessThan(content.height);
    const box = { x: 400, y: 40_000, width: 150, height: 40 };
    const shown = showBox(camera, box, view);
    expect(shown.y).toBeLessThan(box.y);
    expect(shown.y + view.height / shown.scale).toBeGreaterThan(box.y + box.height);
    expect(showBox(shown, box, view)).toEqual(shown);
    // A very tall graph begins at its top, readable, and never becomes a hairline.
    expect(firstCamera(content, view, 500)).toMatchObject({ scale: 0.752 });
    expect(fitCamera(content, view).scale * content.width).toBeGreaterThanOrEqual(60);
  });

  test('arrow keys lead along edges and back, and into containers', async () => {
    const closed = await sceneOf(new Set());
    const start = walk(closed, -1, 'down');
    expect(closed.texts[start]!.title).toBe('Input');
    const scene = await sceneOf(new Set(scope.groups.map(({ path }) => path)));
    for (const [box, { kind }] of scene.graph.boxes.entries()) {
      if (kind !== 'node') continue;
      const below = walk(scene, box, 'down');
      if (below !== box) expect(scene.edgesOutOf[box]!.map((edge) => scene.graph.edges[edge]!.to)).toContain(below);
      const right = walk(scene, box, 'right');
      if (right !== box)
        expect(scene.layout.x[right]! + scene.layout.width[right]! / 2).toBeGreaterThan(scene.layout.x[box]!);
    }
    const container = scene.graph.boxes.findIndex(({ kind }) => kind === 'container');
    expect(scene.graph.boxes[walk(scene, container, 'down')]!.parent).toBe(container);
  });
});

describe('where one is', () => {
  test('going to a node opens what is around it; closing forgets what was open inside', () => {
    const node = scope.nodes.findIndex(({ op }) => op === 'Softmax');
    const first = firstState(document);
    expect(openIn(first, document).size).toBe(0);
    const there = changeView(document, first, { type: 'go', scope: 0, node });
    expect([...openIn(there, document)].sort()).toEqual([
      'layers.0 to 7',
      'layers.0 to 7 / layers.0',
      'layers.0 to 7 / layers.0 / attn',
    ]);
    expect(there).toMatchObject({ selection: { kind: 'node', index: node }, reveal: 1 });
    const group = scope.groups.findIndex(({ kind }) => kind === 'repeat');
    const closed = changeView(document, there, { type: 'toggle', group });
    expect(openIn(closed, document).size).toBe(0);
    expect(closed).toMatchObject({ selection: { kind: 'group', index: group }, toggled: group });
  });

  test('on the way back what is open is the same set, which is what tells pictures apart', () => {
    const all = changeView(document, firstState(document), { type: 'open-all' });
    const back = changeView(document, changeView(document, all, { type: 'close-all' }), { type: 'back', to: all });
    expect(openIn(back, document)).toBe(openIn(all, document));
  });

  test('another variant keeps what is open and finds the node under its new name', () => {
    const node = scope.nodes.findIndex(({ op }) => op === 'Softmax');
    const there = changeView(document, firstState(document), { type: 'go', scope: 0, node });
    const fewer = extractGraph(transformer({ layers: 8, named: true }));
    const carried = carriedOver(there, fewer, ['gone', scope.nodes[node]!.outputs[0]!]);
    expect(carried).toMatchObject({ selection: { kind: 'node', index: node }, reveal: 2 });
    expect(carriedOver(there, fewer, []).selection).toBeNull();
  });
});

describe('what steps made', () => {
  const node = { ...scope.nodes[0]!, name: 'fused', outputs: ['y'], weights: [] };
  const entry = (action: string, from: string[], to: string[]) => ({ action, from, to });
  const ledger = [
    { step: 'a', title: 'A', entries: [entry('joined', ['m', 'b'], ['joined'])] },
    { step: 'b', title: 'B', entries: [entry('fused', ['joined', 'g'], ['fused']), entry('other', ['p'], ['q'])] },
  ];

  test('a node names the steps that made it', () => {
    expect(madeBy(ledger, node)).toEqual([{ title: 'B', action: 'fused', from: ['joined', 'g'] }]);
  });

  test('nodes are followed back to the original and forth into another variant', () => {
    expect(counterparts(ledger, [], node)).toEqual(expect.arrayContaining(['fused', 'y', 'joined', 'm', 'b', 'g']));
    const original = { ...node, name: 'm', outputs: ['m out'] };
    // What is left in the end comes before what was there in between.
    expect(counterparts([], ledger, original)).toEqual(['m', 'm out', 'fused', 'joined', 'm', 'm out']);
  });
});

describe('colours', () => {
  test('amounts: figures in boxes, groups added up, the scale told', async () => {
    const scene = await sceneOf(new Set());
    const macs = graphModes.find(({ id }) => id === 'macs')!;
    const { paints, legend } = paintScene(scene, scope, macs, ink);
    const repeat = scene.graph.boxes.findIndex(({ kind }) => kind === 'group');
    const total = scope.nodes
      .filter((_, at) => scene.graph.boxOf[at] === repeat)
      .reduce((sum, each) => sum + (each.macs ?? 0), 0);
    expect(total).toBeGreaterThan(0);
    expect(paints[repeat]!.badge).toBe(macs.format(total));
    expect(legend).toMatchObject({ kind: 'amount' });
    expect(legend.low).toMatch(/MACs$/);
  });

  test('words: one colour each with its count, groups of several kinds have none', async () => {
    const scene = await sceneOf(new Set());
    const { paints, legend } = paintScene(scene, scope, graphModes[0]!, ink);
    expect(legend.words[0]).toMatchObject({ text: 'Matrix product', nodes: 8 * 7 + 1 });
    expect(new Set(legend.words.map(({ colour }) => colour)).size).toBe(legend.words.length);
    expect(paints[scene.graph.boxes.findIndex(({ kind }) => kind === 'group')]).toBeUndefined();
  });

  test('measured figures come by name, low ones may be the notable ones', async () => {
    const scene = await sceneOf(new Set());
    const { name } = scope.nodes.find(({ op }) => op === 'Gather')!;
    const mode = figuresMode({
      id: 'e',
      title: 'Error',
      unit: 'dB',
      notable: 'low',
      byNode: new Map([[name, 12.345]]),
    });
    const { paints } = paintScene(scene, scope, mode, ink);
    const box = scene.graph.boxOf[scope.nodes.findIndex((each) => each.name === name)]!;
    expect(paints[box]!.badge).toBe('12.3 dB');
    expect(paints.filter(Boolean)).toHaveLength(1);
  });

  test('text on every colour of the scale has a contrast of 4.5 at least', () => {
    const luminance = (colour: string) => {
      const [r, g, b] = colour
        .slice(1)
        .match(/../g)!
        .map((pair) => {
          const part = Number.parseInt(pair, 16) / 255;
          return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        }) as [number, number, number];
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    for (let at = 0; at <= 100; at += 1) {
      const colour = sequential(at / 100, true);
      const [low, high] = [luminance(colour), luminance(inkOn(colour))].sort((a, b) => a - b) as [number, number];
      expect((high + 0.05) / (low + 0.05)).toBeGreaterThanOrEqual(4.5);
    }
    expect(mix('#fff', '#000000', 0.5)).toBe('#808080');
  });
});

test('a position in C order is an index in each dimension', () => {
  expect(indexOf(0, [2, 3, 4])).toEqual([0, 0, 0]);
  expect(indexOf(23, [2, 3, 4])).toEqual([1, 2, 3]);
  expect(indexOf(14, [2, 3, 4])).toEqual([1, 0, 2]);
});
