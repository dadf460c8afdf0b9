import { beforeEach, describe, expect, it } from 'vitest';
import type { Recipe } from '../../../src/core/recipe/schema.ts';
import { figuresOfReport } from '../../../src/core/study/figures.ts';
import { decodeLink, encodeStudy } from '../../../src/core/study/link.ts';
import { reportSchema } from '../../../src/core/study/results.ts';
import { matchOf } from '../../../src/state/actions/linked-study.ts';
import { ownFigures } from '../../../src/state/actions/share.ts';
import type { LoadedModel } from '../../../src/state/model-slice.ts';
import { currentReport } from '../../../src/state/report.ts';
import { restoredSender } from '../../../src/state/restored-sender.ts';
import { selectComparison, selectNeedsRun } from '../../../src/state/rows.ts';
import { selectSender } from '../../../src/state/sender.ts';
import { createStudioStore, type StudioStore } from '../../../src/state/store.ts';
import { fixtureReport, fixtureStudy } from '../../fixtures/ui/report.ts';

let store: StudioStore;
const state = () => store.getState();
const ids = () => state().history!.present.ids;
const view = () => selectSender(state());

const study = fixtureStudy(['wasm', 'webgpu']);
const report = fixtureReport(study);
/** As it comes out of the link. */
const link = decodeLink(encodeStudy(study, figuresOfReport(report, study.targets)));
if (!link.ok) throw link.error;
const received = link.value;

const toggled = (recipe: Recipe): Recipe => ({
  ...recipe,
  runtime: { ...recipe.runtime, disablePrepacking: !recipe.runtime.disablePrepacking },
});

beforeEach(() => {
  store = createStudioStore();
  state().setStudy(received.study);
  store.setState({ sender: { study: received.study, figures: received.figures! } });
});

describe('the sender’s figures', () => {
  it('stand by every variant before anything is measured, and are no figures of this device', () => {
    expect(Object.keys(view()!.rows)).toEqual(ids());
    for (const [index, id] of ids().entries()) {
      const row = view()!.rows[id]!;
      expect(row.fileBytes / report.variants[index]!.facts!.fileBytes).toBeCloseTo(1, 3);
      expect(row.byTarget.wasm!.label).toBe('WASM, 2 threads');
    }
    const { rows, metrics } = selectComparison(state());
    expect(rows.every((row) => row.state === 'unmeasured' && row.facts === null)).toBe(true);
    expect(rows.flatMap(({ cells }) => cells).every(({ measurement, verdict }) => !measurement && !verdict)).toBe(true);
    expect(metrics).toEqual([]);
    expect(selectNeedsRun(state())).toBe(true);
    expect(currentReport(state())).toBeNull();
  });

  it('are of exact settings: an edit hides them, undo brings them back, a new name or place changes nothing', () => {
    const [, a, b] = ids();
    state().editRecipe(a!, toggled);
    expect(view()!.rows[a!]).toBeUndefined();
    expect(view()!.rows[b!]).toBeDefined();
    state().undo();
    expect(view()!.rows[a!]).toBeDefined();
    const before = view()!.rows[a!];
    state().renameVariant(a!, 'Another name');
    state().moveVariant(a!, 2);
    expect(view()!.rows[a!]).toEqual(before);
    state().setTask({ kind: 'random', seed: 5, samples: 3, inputs: [] });
    expect(view()!.rows).toEqual({});
  });

  it('stay as they are beside own ones, and with the gate of the link', () => {
    const before = view()!.rows;
    store.setState({ model: { name: 'x' } as LoadedModel });
    state().takeReport(report, state().history!.present);
    expect(view()!.rows).toBe(before);
    state().setGate({ mode: 'relative', maxWorse: 0.5, confidence: 0.9 });
    expect(view()!.gate).toEqual(study.gate);
    expect(selectComparison(state()).rows.every((row) => row.facts !== null)).toBe(true);
  });

  it('are in the report by its variants, as long as those have the settings, and with the gate of the link', () => {
    store.setState({ model: { name: 'x' } as LoadedModel });
    state().takeReport(report, state().history!.present);
    const { figures } = received;
    const whole = currentReport(state())!;
    expect(reportSchema.parse(JSON.parse(JSON.stringify(whole))).sender).toEqual({
      ...figures!,
      gate: study.gate,
      variants: figures!.variants.map((variant) => ({
        ...variant!,
        measurements: study.targets.flatMap((target, at) => {
          const measurement = variant!.measurements[at];
          return measurement ? [{ ...measurement, target }] : [];
        }),
      })),
    });
    const [, a] = ids();
    state().moveVariant(a!, 2);
    state().editRecipe(a!, toggled);
    const moved = currentReport(state())!.sender!.variants;
    expect(moved.map((variant) => variant === null)).toEqual(moved.map((_, index) => index === 2));
    expect(moved[1]).toEqual(whole.sender!.variants[2]);
    store.setState({ sender: null });
    expect(currentReport(state())).not.toHaveProperty('sender');
  });

  it('go with the model', () => {
    state().forgetResults();
    expect(state().sender).toBeNull();
    expect(view()).toBeNull();
  });

  it('survive storage, unless it holds something else', () => {
    const stored = structuredClone(state().sender);
    expect(restoredSender(stored)).toEqual(state().sender);
    for (const bad of [undefined, null, 7, {}, { study: stored!.study }, { ...stored, figures: { device: 'x' } }])
      expect(restoredSender(bad)).toBeNull();
    expect(restoredSender({ ...stored, study: { ...stored!.study, variants: [] } })).toBeNull();
  });
});

describe('own figures for a link', () => {
  it('only of what is measured with the present settings', () => {
    expect(ownFigures(state())).toBeNull();
    store.setState({ model: { name: 'x' } as LoadedModel });
    state().takeReport(report, state().history!.present);
    expect(ownFigures(state())!.variants.every((variant) => variant !== null)).toBe(true);
    const [, a] = ids();
    state().editRecipe(a!, toggled);
    const variants = ownFigures(state())!.variants;
    expect(variants.map((variant) => variant === null)).toEqual(variants.map((_, index) => index === 1));
  });
});

describe('the model that a link means', () => {
  const sha = 'ab'.repeat(32);
  const file = { ref: { kind: 'file' }, key: sha, name: 'net.onnx', sha256: sha, fileBytes: 100 } as LoadedModel;
  const large = { ...file, key: `probe-1234567890abcdef${'0'.repeat(48)}`, sha256: null };
  const wanted = { kind: 'file', name: 'other name.onnx', byteLength: 100 } as const;
  it.each([
    ['the very file, whatever its name', { ...wanted, sha256: sha }, file, 'same'],
    ['as large but with other contents', { ...wanted, sha256: 'cd'.repeat(32) }, file, 'other'],
    ['too large to be hashed: by slices of it', { ...wanted, probe: '1234567890abcdef' }, large, 'same'],
    ['too large to be hashed, and as large: other weights', { ...wanted, probe: '1234567890abcdee' }, large, 'other'],
    ['too large to be hashed, in an old link: by its size', wanted, large, 'same'],
    ['of another size', { ...wanted, byteLength: 99 }, large, 'other'],
    ['a sample, opened instead', wanted, { ...file, ref: { kind: 'sample', id: 'x' } }, 'unrelated'],
    [
      'the address',
      { kind: 'url', url: 'https://a.test/net.onnx' },
      { ...file, ref: { kind: 'url', url: 'https://a.test/net.onnx' } },
      'same',
    ],
    ['downloaded from the address by hand', { kind: 'url', url: 'https://a.test/x/net.onnx?download=1' }, file, 'same'],
    ['another file', { kind: 'url', url: 'https://a.test/x/mine.onnx' }, file, 'other'],
    ['an address with broken escapes', { kind: 'url', url: 'https://a.test/%E0%A4.onnx' }, file, 'other'],
  ] as const)('%s', (_name, reference, model, expected) => {
    expect(matchOf(reference, model as LoadedModel)).toBe(expected);
  });
});
