import { defineConfig } from 'vitest/config';

/** Tests that drive the built app in a real Chromium. One at a time: two cores cannot measure two things. */
export default defineConfig({
  define: { __WHITTLE_VERSION__: JSON.stringify('test'), __WHITTLE_ENGINE__: JSON.stringify('test') },
  test: {
    include: ['test/browser/**/*.test.ts'],
    environment: 'node',
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // A machine that does other things besides is slow, not wrong.
    expect: { poll: { timeout: 15_000 } },
    fileParallelism: false,
    maxWorkers: 1,
  },
});
