import { expect, test } from 'vitest';
import type { Target } from '../../../src/core/study/schema.ts';
import { withThreads } from '../../../src/state/targets.ts';

const wasm = (threads: number): Target => ({ provider: 'wasm', threads });
const webgpu: Target = { provider: 'webgpu', threads: 0 };

// A link may bring two targets of one kind; the chooser has one field for it.
test('threads are set of the one target that is shown, and none is there twice afterwards', () => {
  const targets = [wasm(1), wasm(2), webgpu];
  expect(withThreads(targets, targets[0]!, 4)).toEqual([wasm(4), wasm(2), webgpu]);
  expect(withThreads(targets, targets[0]!, 2)).toEqual([wasm(2), webgpu]);
});
