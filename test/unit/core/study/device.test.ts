import { expect, test } from 'vitest';
import { describeDevice } from '../../../../src/core/study/device.ts';

const environment = {
  host: 'browser' as const,
  logicalCores: 8,
  crossOriginIsolated: true,
  webgpuAdapter: null,
  whittleVersion: 'test',
};
const named = (userAgent: string) => describeDevice({ ...environment, userAgent });

test.each([
  [
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36',
    'Chrome 156 on Linux, 8 logical cores',
  ],
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0',
    'Edge 140 on Windows, 8 logical cores',
  ],
  [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Safari/605.1.15',
    'Safari 18 on macOS, 8 logical cores',
  ],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Mobile/15E148 Safari/604.1',
    'Safari 18 on iOS, 8 logical cores',
  ],
  [
    'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36',
    'Chrome 141 on Android, 8 logical cores',
  ],
  ['Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0', 'Firefox 142 on Linux, 8 logical cores'],
  ['something else', 'something else, 8 logical cores'],
  ['', 'an unknown browser, 8 logical cores'],
])('%s', (userAgent, expected) => {
  expect(named(userAgent)).toBe(expected);
});

test('the GPU and the command line', () => {
  const userAgent = 'Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36';
  expect(describeDevice({ ...environment, logicalCores: 1, userAgent, webgpuAdapter: 'nvidia ampere' })).toBe(
    'Chrome 140 on ChromeOS, 1 logical core, GPU nvidia ampere',
  );
  const node = 'Node 20.20.2 (linux x64), AMD EPYC 7763';
  expect(describeDevice({ ...environment, host: 'node', userAgent: node })).toBe(`${node}, 8 logical cores`);
});
