import { describe, expect, it } from 'vitest';
import { createRng } from '../../../../src/core/base/rng.ts';
import {
  add,
  broadcastDim,
  ceilDiv,
  divideExactly,
  floorDiv,
  isAtLeast,
  isDistinct,
  max,
  min,
  mul,
  product,
  type Sym,
  sub,
  symbol,
  toDim,
} from '../../../../src/core/shape/symbolic.ts';
import { dimNameOf, evaluateDim, parseDim } from '../../../../src/core/shape/symbolic-text.ts';

const batch = symbol('batch');
const seq = symbol('seq');
const past = symbol('past');
const text = (value: Sym) => toDim(value);

describe('symbolic dimensions', () => {
  it('have one canonical text however they were computed', () => {
    expect(text(mul(8, batch))).toBe('batch*8');
    expect(text(add(seq, past))).toBe('past+seq');
    expect(text(add(past, seq))).toBe('past+seq');
    expect(text(sub(add(mul(2, seq), 3), seq))).toBe('seq+3');
    expect(text(sub(seq, past))).toBe('-past+seq');
    expect(text(mul(add(past, seq), batch))).toBe('batch*past+batch*seq');
    expect(text(sub(seq, seq))).toBe(0);
    expect(text(sub(seq, 1))).toBe('seq-1');
  });

  it('divides exactly what divides', () => {
    expect(text(divideExactly(product([batch, seq, 768]), product([12, 64])))).toBe('batch*seq');
    expect(text(divideExactly(mul(add(past, seq), mul(batch, 64)), add(past, seq)))).toBe('batch*64');
    expect(divideExactly(seq, 2)).toBeNull();
    expect(divideExactly(7, 2)).toBeNull();
  });

  it('normalises floor division, so that equal chains of strides have equal texts', () => {
    expect(text(floorDiv(add(seq, -1), 2))).toBe('floor((seq+1)/2)-1');
    expect(text(add(floorDiv(add(seq, -1), 2), 1))).toBe(text(ceilDiv(seq, 2)));
    expect(text(floorDiv(floorDiv(seq, 2), 3))).toBe('floor(seq/6)');
    expect(text(floorDiv(add(mul(seq, 4), 6), 4))).toBe('seq+1');
    let strided: Sym = seq;
    for (let step = 0; step < 5; step++) strided = add(floorDiv(sub(strided, 1), 2), 1);
    expect(text(mul(strided, 32))).toBe('floor((seq+31)/32)*32');
  });

  it('compares under the assumption that sizes are not negative', () => {
    expect(isAtLeast(add(seq, past), seq)).toBe(true);
    expect(isAtLeast(seq, past)).toBe(false);
    expect(isDistinct(add(seq, 1), seq)).toBe(true);
    expect(isDistinct(seq, 5)).toBe(false);
    expect(isDistinct(seq, -1)).toBe(true);
    expect(text(max(seq, 0))).toBe('seq');
    expect(text(min(seq, 10))).toBe('min(10,seq)');
  });

  it('broadcasts', () => {
    expect(broadcastDim(1, seq)).toBe(seq);
    expect(broadcastDim(seq, 5)).toBe(5);
    expect(broadcastDim(3, 5)).toBe('mismatch');
    const both = broadcastDim(seq, past) as Sym;
    expect(text(both)).toBe('broadcast(past,seq)');
    expect(text(broadcastDim(both, seq) as Sym)).toBe('broadcast(past,seq)');
  });

  it('gives up on expressions that grow without bound', () => {
    let value: Sym = 1;
    for (let i = 0; i < 40; i++) value = add(mul(value, symbol(`a${i}`)), symbol(`b${i}`));
    expect(value).toBeNull();
    expect(mul(2 ** 40, 2 ** 40)).toBeNull();
  });

  it('reads what it writes, and what exporters write', () => {
    for (const source of [
      'batch*8',
      'past+seq+1',
      'floor((h+1)/2)*16',
      'min(10,seq)',
      'broadcast(a,b)',
      'a*2 - b',
      'x[0]*3',
    ])
      expect(text(parseDim(source))).toBe(text(parseDim(String(text(parseDim(source))))));
    expect(text(parseDim('past_sequence_length + 1'))).toBe('past_sequence_length+1');
    expect(text(parseDim('2*s0 + s1//2'))).toBe('floor(s1/2)+s0*2');
    expect(text(parseDim('Max(1, s0)'))).toBe('max(1,s0)');
    expect(text(parseDim('batch-size'))).toBe('batch-size');
    expect(text(parseDim('p2o.DynamicDimension.0'))).toBe('p2o.DynamicDimension.0');
    expect(text(parseDim('what is this?!'))).toBe('what is this?!');
    expect(text(parseDim('('.repeat(5000)))).toBe('('.repeat(5000));
    expect(text(parseDim(dimNameOf('/model/layer.0/Add:0', 2)))).toBe('_model_layer.0_Add_0[2]');
  });

  it('evaluates like plain arithmetic, for random expressions and bindings', () => {
    const rng = createRng(7);
    const names = ['a', 'b', 'c'];
    for (let round = 0; round < 400; round++) {
      const bindings = Object.fromEntries(names.map((name) => [name, 1 + rng.int(40)]));
      let symbolic: Sym = symbol('a');
      let plain = bindings.a!;
      for (let step = 0; step < 6; step++) {
        const name = names[rng.int(3)]!;
        const k = 1 + rng.int(7);
        const [otherSymbolic, other]: [Sym, number] = rng.int(2) ? [symbol(name), bindings[name]!] : [k, k];
        const operation = rng.int(5);
        if (operation === 0) [symbolic, plain] = [add(symbolic, otherSymbolic), plain + other];
        else if (operation === 1) [symbolic, plain] = [mul(symbolic, otherSymbolic), plain * other];
        else if (operation === 2) [symbolic, plain] = [floorDiv(symbolic, otherSymbolic), Math.floor(plain / other)];
        else if (operation === 3) [symbolic, plain] = [max(symbolic, otherSymbolic), Math.max(plain, other)];
        else [symbolic, plain] = [ceilDiv(symbolic, k), Math.ceil(plain / k)];
        if (symbolic === null) break;
      }
      if (symbolic !== null) expect(evaluateDim(toDim(symbolic), bindings), String(toDim(symbolic))).toBe(plain);
    }
  });
});
