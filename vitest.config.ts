import { defineConfig } from 'vitest/config';

export default defineConfig({
  define: { __WHITTLE_VERSION__: JSON.stringify('test'), __WHITTLE_ENGINE__: JSON.stringify('test') },
  test: {
    include: ['test/unit/**/*.test.ts', 'test/unit/**/*.test.tsx'],
    environment: 'node',
    testTimeout: 60_000,
    // Two cores: more workers only fight over them.
    maxWorkers: 2,
  },
});
