import { describe, expect, it } from 'vitest';
import { createRng } from '../../../../src/core/base/rng.ts';

describe('createRng', () => {
  it('gives the same numbers for the same seed and others for another', () => {
    const draw = (seed: number | string) => Array.from({ length: 8 }, createRng(seed).uniform);
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
    expect(draw('a')).not.toEqual(draw('b'));
  });

  it('stays what it was when reports were made with it', () => {
    const rng = createRng(1);
    expect([rng.int(1_000_000), rng.int(1_000_000), rng.int(1_000_000)]).toMatchInlineSnapshot(`
      [
        144158,
        99751,
        917871,
      ]
    `);
  });

  it('has the moments of its distributions', () => {
    const rng = createRng(42);
    const n = 200_000;
    let uniform = 0;
    let normal = 0;
    let squares = 0;
    const counts = [0, 0, 0, 0, 0];
    for (let i = 0; i < n; i += 1) {
      uniform += rng.uniform();
      const z = rng.normal();
      normal += z;
      squares += z * z;
      counts[rng.int(5)]! += 1;
    }
    expect(uniform / n).toBeCloseTo(0.5, 2);
    expect(normal / n).toBeCloseTo(0, 1.5);
    expect(squares / n).toBeCloseTo(1, 1.5);
    for (const count of counts) expect(Math.abs(count - n / 5)).toBeLessThan(5 * Math.sqrt(n / 5));
  });

  it.each([1, 5, 1000, 2_500_000_000])('fills an array with what single calls of int(%d) give', (n) => {
    const [one, many] = [createRng(11), createRng(11)];
    const filled = new Uint32Array(500);
    many.fillInts(filled, n);
    expect([...filled]).toEqual(Array.from(filled, () => one.int(n)));
    expect(many.uniform()).toBe(one.uniform());
    expect(() => many.fillInts(filled, 0)).toThrow(RangeError);
  });

  it('shuffles without losing anything', () => {
    const items = createRng(3).shuffle(Array.from({ length: 100 }, (_, i) => i));
    expect(items).not.toEqual([...items].sort((a, b) => a - b));
    expect([...items].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });
});
