import { expect, test } from 'vitest';
import { exitCodeOf, parseCommandLine, parseDrop, UsageError } from '../../../src/cli/args.ts';
import { formatBytes, formatChange, formatTable } from '../../../src/cli/format.ts';
import { StudioError } from '../../../src/core/base/errors/index.ts';

const options = {
  runs: { type: 'string', help: '' },
  preset: { type: 'string', multiple: true, help: '' },
  json: { type: 'boolean', help: '' },
} as const;

test('options, repeats and positionals', () => {
  const parsed = parseCommandLine(['m.onnx', '--preset', 'a', '--preset', 'b', '--json', '--runs', '7'], options);
  expect(parsed.positionals).toEqual(['m.onnx']);
  expect(parsed.strings('preset')).toEqual(['a', 'b']);
  expect(parsed.flag('json')).toBe(true);
  expect(parsed.number('runs', 20, { min: 3, max: 1000, integer: true })).toBe(7);
});

test('bad usage names the option and the range', () => {
  expect(() => parseCommandLine(['--nope'], options)).toThrow(UsageError);
  const parsed = parseCommandLine(['--runs', '1.5'], options);
  expect(() => parsed.number('runs', 20, { min: 3, max: 1000, integer: true })).toThrow(
    /--runs must be a whole number from 3 to 1000/,
  );
});

test('the allowed drop', () => {
  expect(parseDrop('2%')).toEqual({ mode: 'relative', maxWorse: 0.02 });
  expect(parseDrop('0.02')).toEqual({ mode: 'relative', maxWorse: 0.02 });
  expect(parseDrop('abs:0.5')).toEqual({ mode: 'absolute', maxWorse: 0.5 });
  for (const bad of ['', '-1', 'two', 'abs:']) expect(() => parseDrop(bad)).toThrow(UsageError);
});

test('exit codes: bad input 2, our own faults 3', () => {
  expect(exitCodeOf(new UsageError('x'))).toBe(2);
  expect(exitCodeOf(new StudioError('file/not-onnx', { name: 'a', seen: 'b' }))).toBe(2);
  expect(exitCodeOf(new Error('boom'))).toBe(3);
});

test('text formatting', () => {
  expect(formatBytes(999)).toBe('999 B');
  expect(formatBytes(10_822_323)).toBe('10.8 MB');
  expect(formatBytes(2_100_000)).toBe('2.10 MB');
  expect(formatChange(27, 100)).toBe('-73 %');
  expect(formatChange(100, 100)).toBe('same');
  expect(
    formatTable([
      ['a', '1'],
      ['long', '22'],
    ]),
  ).toBe('a      1\nlong  22');
});
