// @vitest-environment happy-dom
import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { createElement } from 'react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { formFields } from '../../../src/core/recipe/form.ts';
import { stepRegistry } from '../../../src/core/recipe/registry.ts';
import { runtimeSettingsSchema } from '../../../src/core/recipe/schema.ts';
import { Field, parseNumber } from '../../../src/ui/recipe/Field.tsx';
import { goodEntries, splitEntries } from '../../../src/ui/recipe/list-lines.ts';

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

  it('switches booleans', () => {
    const onSwitch = draw('symmetric', true);
    fireEvent.click(screen.getByRole('checkbox'));
    expect(onSwitch).toHaveBeenCalledWith(false);
  });

  it('edits a list line by line, and keeps a line that is wrong out of it until it is right', () => {
    const onChange = vi.fn();
    const problemsOf = (lines: readonly string[]) => ({
      byIndex: new Map(lines.flatMap((line, at) => (line.includes('=') ? [] : [[at, 'An "=" is missing'] as const]))),
      whole: null,
    });
    const draw = (value: readonly string[]) =>
      createElement(Field, { field: field('exclude'), value, onChange, list: { problemsOf } });
    const { rerender } = render(draw(['a=8']));
    expect(screen.getByRole('group', { name: 'Leave out' })).toBeTruthy();
    fireEvent.change(screen.getByLabelText('Leave out, new line'), { target: { value: 'b' } });
    expect(onChange).not.toHaveBeenCalled();
    const wrong = screen.getByLabelText('Leave out, line 2');
    expect(wrong.getAttribute('aria-invalid')).toBe('true');
    const message = screen.getByRole('alert');
    expect(message.textContent).toBe('An "=" is missing. Left out until it is right.');
    expect(wrong.getAttribute('aria-describedby')).toBe(message.id);
    expect(screen.getByLabelText('Leave out, line 1').getAttribute('aria-invalid')).toBe('false');
    fireEvent.change(wrong, { target: { value: 'b=4' } });
    expect(onChange).toHaveBeenLastCalledWith(['a=8', 'b=4']);
    rerender(draw(['a=8', 'b=4']));
    expect(screen.queryByRole('alert')).toBeNull();
    fireEvent.click(screen.getByRole('button', { name: 'Remove a=8' }));
    expect(onChange).toHaveBeenLastCalledWith(['b=4']);
  });

  it('drops the draft of a list when the recipe changes elsewhere (undo)', () => {
    const list = { problemsOf: () => ({ byIndex: new Map([[0, 'no']]), whole: null }) };
    const draw = (value: readonly string[]) =>
      createElement(Field, { field: field('exclude'), value, onChange: () => {}, list });
    const { rerender } = render(draw([]));
    fireEvent.change(screen.getByLabelText('Leave out, new line'), { target: { value: 'wrong' } });
    expect((screen.getByLabelText('Leave out, line 1') as HTMLInputElement).value).toBe('wrong');
    rerender(draw(['other']));
    expect((screen.getByLabelText('Leave out, line 1') as HTMLInputElement).value).toBe('other');
  });

  it('takes pasted lines as entries of their own', () => {
    const onChange = draw('exclude', ['first']);
    fireEvent.paste(screen.getByLabelText('Leave out, new line'), {
      clipboardData: { getData: () => 'Conv_0\nConv_1, Conv_0' },
    });
    expect(onChange).toHaveBeenCalledWith(['first', 'Conv_0', 'Conv_1']);
  });

  it('draws every parameter of every step there is', () => {
    const schemas = [...stepRegistry.values()].map(({ params }) => params);
    expect(schemas.length).toBeGreaterThan(0);
    for (const params of [...schemas, runtimeSettingsSchema])
      for (const definition of formFields(params)) {
        render(createElement(Field, { field: definition, value: definition.default, onChange: () => {} }));
        expect(screen.getAllByLabelText(definition.title, { exact: false }).length).toBeGreaterThan(0);
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

  it('splits pasted text at line ends and at commas with a space: names may hold commas', () =>
    expect(splitEntries(' a\r\n\nb,c, d; e ')).toEqual(['a', 'b,c', 'd', 'e']));

  it('drops blanks, doubles and what is wrong', () =>
    expect(goodEntries([' a', '', 'x', 'b', 'a '], new Map([[2, 'wrong']]))).toEqual(['a', 'b']));
});
