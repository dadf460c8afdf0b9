// The index of projects on a real IndexedDB implementation (fake-indexeddb), by the real code.
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FigureStore, onFiguresNotKept } from '../../../src/services/figures.ts';
import { isAnythingHeld, writeHeldArrays, writeHeldProjects } from '../../../src/services/held-records.ts';
import * as projects from '../../../src/services/projects.ts';
import { arraysRecord, UNNAMED_ARRAYS } from '../../../src/services/projects.ts';
import { changeRecords, loadRecord, loadWritten, recordNames } from '../../../src/services/storage.ts';

const entry = (id: string, over: Partial<projects.ProjectEntry> = {}): projects.ProjectEntry => ({
  id,
  name: `project ${id}`,
  created: '2026-01-01T00:00:00.000Z',
  changed: '2026-01-01T00:00:00.000Z',
  model: { key: 'k', name: 'm.onnx', title: 'M', fileBytes: 10, sampleId: null },
  variants: 2,
  edited: true,
  ...over,
});

beforeEach(async () => {
  await changeRecords({ remove: await recordNames('') });
});

describe('the index', () => {
  it('lists the last changed first, and loads entry and state together', async () => {
    await projects.writeProject({ entry: entry('a', { changed: '2026-01-02T00:00:00.000Z' }), state: { value: 1 } });
    await projects.writeProject({ entry: entry('b', { changed: '2026-01-03T00:00:00.000Z' }), state: { value: 2 } });
    expect((await projects.listProjects()).map(({ id }) => id)).toEqual(['b', 'a']);
    expect(await projects.loadProject('a')).toMatchObject({ entry: { id: 'a' }, state: { value: 1 } });
    expect(await projects.loadProject('c')).toBeNull();
  });

  it('writes neither entry nor state when one of the two cannot be stored', async () => {
    await projects.writeProject({ entry: entry('a'), state: { value: 1 } });
    // A function cannot be cloned into the database.
    const failed = projects.writeProject({ entry: entry('a', { name: 'new' }), state: () => {} });
    await expect(failed).rejects.toMatchObject({ code: 'storage/unavailable' });
    expect(await projects.loadProject('a')).toMatchObject({ entry: { name: 'project a' }, state: { value: 1 } });
  });

  it('renames, and refuses what is gone', async () => {
    await projects.writeProject({ entry: entry('a'), state: {} });
    await projects.renameProject('a', 'Other');
    expect((await projects.listProjects())[0]!.name).toBe('Other');
    await expect(projects.renameProject('x', 'Other')).rejects.toMatchObject({ code: 'project/gone' });
  });

  it('duplicates with state and arrays; the copy changes alone', async () => {
    await projects.writeProject({ entry: entry('a'), state: { value: 1 } });
    await changeRecords({ put: [[arraysRecord('a', 'd1'), ['file']]] });
    const copy = await projects.duplicateProject('a', 'Copy');
    expect(await loadRecord(arraysRecord(copy, 'd1'))).toEqual(['file']);
    await projects.writeProject({ entry: entry(copy, { name: 'Copy' }), state: { value: 2 } });
    expect(await projects.loadProject('a')).toMatchObject({ state: { value: 1 } });
    expect(await projects.loadProject(copy)).toMatchObject({ entry: { name: 'Copy' }, state: { value: 2 } });
  });

  it('deletes out of sight, brings back, and purges only what was deleted long ago', async () => {
    await projects.writeProject({ entry: entry('a'), state: { value: 1 } });
    await projects.writeProject({ entry: entry('old', { deleted: '2026-01-01T00:00:00.000Z' }), state: {} });
    await changeRecords({ put: [[arraysRecord('old', 'd1'), ['file']]] });
    await projects.setDeleted('a', true);
    expect(await projects.listProjects()).toEqual([]);
    expect(await projects.loadProject('a')).toBeNull();
    await projects.purgeProjects();
    expect((await recordNames('')).sort()).toEqual(['project/a', 'state/a']);
    await projects.setDeleted('a', false);
    expect(await projects.loadProject('a')).toMatchObject({ state: { value: 1 } });
    await projects.purgeProjects(['a']);
    expect(await recordNames('')).toEqual([]);
  });
});

describe('a full disk', () => {
  const fill = () =>
    vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(() => {
      throw new DOMException('no room', 'QuotaExceededError');
    });
  const empty = () => vi.restoreAllMocks();
  const stored = (value: number, over: Partial<projects.ProjectEntry> = {}) => ({
    entry: entry('a', over),
    state: { value },
  });
  const full = { code: 'storage/full' };
  const newer = { changed: '2026-01-02T00:00:00.000Z' };
  // A browser without locks: no other tab has anything open.
  beforeEach(() => void vi.stubGlobal('navigator', {}));
  afterEach(() => {
    empty();
    vi.unstubAllGlobals();
  });

  it('has the page go on with what could not be written; the disk has what it had; room ends that', async () => {
    await projects.writeProject(stored(1));
    fill();
    await expect(projects.writeProject(stored(2, newer))).rejects.toMatchObject(full);
    expect(await projects.loadProject('a')).toEqual(stored(2, newer));
    expect(await projects.listProjects()).toEqual([entry('a', newer)]);
    expect(await loadWritten('state/a')).toEqual({ value: 1 });
    await writeHeldProjects(null);
    expect(isAnythingHeld()).toBe(true);
    empty();
    await writeHeldProjects('a');
    expect(await loadWritten('state/a'), 'the page itself writes the open one').toEqual({ value: 1 });
    await writeHeldProjects(null);
    expect(isAnythingHeld()).toBe(false);
    expect(await loadWritten('state/a')).toEqual({ value: 2 });
  });

  it('never overwrites what was written since', async () => {
    await projects.writeProject(stored(1));
    fill();
    await expect(projects.writeProject(stored(2, newer))).rejects.toMatchObject(full);
    await expect(changeRecords({ put: [[arraysRecord('a', 'd'), ['mine']]], hold: true })).rejects.toMatchObject(full);
    empty();
    // As another tab does: past this page's held records.
    const latest = entry('a', { changed: '2026-01-03T00:00:00.000Z' });
    const database = await new Promise<IDBDatabase>((resolve) => {
      const request = indexedDB.open('whittle');
      request.onsuccess = () => resolve(request.result);
    });
    const transaction = database.transaction('records', 'readwrite');
    transaction.objectStore('records').put(latest, 'project/a');
    await new Promise((resolve) => {
      transaction.oncomplete = resolve;
    });
    database.close();
    await writeHeldProjects(null);
    expect(await projects.loadProject('a')).toEqual({ entry: latest, state: { value: 1 } });
    const copy = (await projects.listProjects()).find(({ id }) => id !== 'a')!;
    expect(copy.name).toBe('project a copy');
    expect(await projects.loadProject(copy.id)).toMatchObject({ state: { value: 2 } });
    expect(await loadRecord(arraysRecord(copy.id, 'd'))).toEqual(['mine']);
    expect(isAnythingHeld()).toBe(false);
  });

  it('lets projects be deleted and brought back, and what is purged stays so', async () => {
    await projects.writeProject(stored(1));
    fill();
    await expect(projects.writeProject(stored(2))).rejects.toMatchObject(full);
    await projects.setDeleted('a', true);
    expect(await projects.listProjects()).toEqual([]);
    await projects.setDeleted('a', false);
    expect(await projects.loadProject('a')).toEqual(stored(2));
    await projects.setDeleted('a', true);
    await projects.purgeProjects(['a']);
    empty();
    await writeHeldProjects(null);
    expect(await recordNames('')).toEqual([]);
  });

  it('holds the user’s data, and figures, until they are written', async () => {
    const heard: string[] = [];
    onFiguresNotKept(({ code }) => heard.push(code));
    const figures = new FigureStore('some-figures', 'store');
    fill();
    await expect(changeRecords({ put: [[arraysRecord('a', 'd'), ['x']]], hold: true })).rejects.toMatchObject(full);
    await figures.set('key', 5);
    expect(heard).toEqual(['storage/full']);
    expect(await loadRecord(arraysRecord('a', 'd'))).toEqual(['x']);
    expect(await figures.get('key')).toBe(5);
    expect([await writeHeldArrays(), await figures.writeHeld()]).toEqual([false, false]);
    empty();
    expect([await writeHeldArrays(), await figures.writeHeld()]).toEqual([true, true]);
    expect(await loadWritten(arraysRecord('a', 'd'))).toEqual(['x']);
    expect(await new FigureStore('some-figures', 'store').get('key')).toBe(5);
  });
});

describe('the session of an earlier version', () => {
  const session = {
    version: 1,
    model: { key: 'k', name: 'm.onnx', title: 'M', fileBytes: 10, sampleId: null, sha256: null, ref: {}, card: {} },
    study: { variants: [{}, {}, {}] },
    ids: ['v1', 'v2', 'v3'],
    selectedId: 'v2',
    report: null,
    measured: { some: 'figures' },
    lastMeasuredKey: {},
  };

  it('becomes a project with everything in it, once', async () => {
    await changeRecords({
      put: [
        ['session', session],
        ['arrays', ['file']],
      ],
    });
    await projects.adoptLegacySession();
    await projects.adoptLegacySession();
    const list = await projects.listProjects();
    expect(list).toMatchObject([{ name: 'M', variants: 3, model: { key: 'k', fileBytes: 10 } }]);
    const [{ id }] = list as [projects.ProjectEntry];
    expect((await projects.loadProject(id))?.state).toEqual(session);
    expect(await loadRecord(arraysRecord(id, UNNAMED_ARRAYS))).toEqual(['file']);
    expect(await recordNames('session')).toEqual([]);
    expect(await loadRecord('arrays')).toBeUndefined();
    expect(await projects.projectToRestore()).toEqual({ id, ofThisTab: false });
  });
});
