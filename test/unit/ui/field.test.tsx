// @vitest-environment happy-dom
import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { createElement } from 'react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { formFields } from '../../../src/core/recipe/form.ts';
import { stepRegistry } from '../../../src/core/recipe/registry.ts';
import { runtimeSettingsSchema } from '../../../src/core/recipe/schema.ts';
import { Field, parseList, parseNumber } from '../../../src/ui/recipe/Field.tsx';

afterEach(cleanup);

const schema = z.object({
  blockSize: z
    .union([z.literal(16), z.literal(32), z.literal(64)])
    .default(32)
    .meta({ title: 'Block size', description: 'Weights that share a scale.' }),
  threshold: z.number().min(0).max(1).default(0.5).meta({ title: 'Threshold', description: 'A share.', unit: 'share' }),
  count: z.number().int().min(1).default(4).meta({ title: 'Count', description: 'How many.' }),
  symmetric: z.boolean().default(true).meta({ title: 'Symmetric', description: 'Zero point 0.' }),
  exclude: z.array(z.string()).default([]).meta({ title: 'Leave out', description: 'Node names.' }),
});
const fields = formFields(schema);
const field = (key: string) => fields.find((candidate) => candidate.key === key)!;

function draw(key: string, value: unknown) {
  const onChange = vi.fn();
  render(createElement(Field, { field: field(key), value, onChange }));
  return onChange;
}

describe('Field', () => {
  it('gives enumerated numbers back as numbers', () => {
    const onChange = draw('blockSize', 32);
    fireEvent.change(screen.getByLabelText('Block size'), { target: { value: '64' } });
    expect(onChange).toHaveBeenCalledWith(64);
  });

  it('passes on numbers within bounds and says what is wrong with others', () => {
    const onChange = draw('threshold', 0.5);
    const input = screen.getByLabelText('Threshold');
    fireEvent.change(input, { target: { value: '1.5' } });
    expect(onChange).not.toHaveBeenCalled();
    expect(input.getAttribute('aria-invalid')).toBe('true');
    expect(screen.getByRole('alert').textContent).toBe('A number, 0 to 1');
    fireEvent.change(input, { target: { value: '0.25' } });
    expect(onChange).toHaveBeenCalledWith(0.25);
    expect(input.getAttribute('aria-invalid')).toBe('false');
  });

  it('keeps what is being typed until the field is left', () => {
    draw('count', 4);
    const input = screen.getByLabelText('Count') as HTMLInputElement;
    fireEvent.change(input, { target: { value: '' } });
    expect(input.value).toBe('');
    expect(screen.getByRole('alert').textContent).toBe('A whole number, 1 or more');
    fireEvent.blur(input);
    expect(input.value).toBe('4');
  });

  it('switches booleans and splits lists', () => {
    const onSwitch = draw('symmetric', true);
    fireEvent.click(screen.getByRole('checkbox'));
    expect(onSwitch).toHaveBeenCalledWith(false);
    cleanup();
    const onList = draw('exclude', []);
    fireEvent.change(screen.getByLabelText('Leave out'), { target: { value: 'Conv_0, Conv_1\nConv_0' } });
    expect(onList).toHaveBeenCalledWith(['Conv_0', 'Conv_1']);
  });

  it('draws every parameter of every step there is', () => {
    const schemas = [...stepRegistry.values()].map(({ params }) => params);
    expect(schemas.length).toBeGreaterThan(0);
    for (const params of [...schemas, runtimeSettingsSchema])
      for (const definition of formFields(params)) {
        render(createElement(Field, { field: definition, value: definition.default, onChange: () => {} }));
        expect(screen.getByLabelText(definition.title, { exact: false })).toBeTruthy();
        cleanup();
      }
  });
});

describe('parsing', () => {
  it('refuses what is no number, not whole, or out of bounds', () => {
    const bounds = { integer: true, min: 1, max: 8 };
    expect(parseNumber('8', bounds)).toBe(8);
    for (const text of ['', ' ', 'abc', '2.5', '0', '9', 'Infinity']) expect(parseNumber(text, bounds)).toBeUndefined();
  });

  it('drops blanks and doubles', () => expect(parseList(' a;; b\n\na ')).toEqual(['a', 'b']));
});
