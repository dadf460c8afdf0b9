/** Written forms of a report: whole, escaped, and the same figures in each. */
import { describe, expect, test } from 'vitest';
import { answerOf, decisions, mainTarget, questionOf, recommended } from '../../../../src/core/report/decision.ts';
import { renderReport, reportFormatOf, reportFormats } from '../../../../src/core/report/render.ts';
import type { Report } from '../../../../src/core/study/results.ts';
import { judgeReport } from '../../../fixtures/ui/judged.ts';
import { fixtureReport, fixtureStudy } from '../../../fixtures/ui/report.ts';

const report = (): Report => judgeReport(fixtureReport(fixtureStudy(['wasm', 'webgpu'])));

/** Every name that a user can choose holds markup and quotes. */
function hostile(): Report {
  const evil = `"><script>alert(1)</script>\n|x| \`\`\` ''' =cmd`;
  const made = report();
  return {
    ...made,
    model: { ...made.model, name: evil },
    task: { ...made.task, title: evil },
    environment: { ...made.environment, userAgent: evil },
    variants: made.variants.map((variant) => ({
      ...variant,
      recipe: { ...variant.recipe, name: `${variant.recipe.name}${evil}` },
    })),
  };
}

describe('decision', () => {
  test('recommends the smallest that passes, and never one that fails or is undecided', () => {
    const made = report();
    const all = decisions(made, mainTarget(made)!);
    const passing = all.filter(({ ship }) => ship.verdict === 'pass');
    expect(passing.length).toBeGreaterThan(0);
    const least = Math.min(...passing.map(({ row }) => row.fileBytes!));
    expect(recommended(all)!.row.fileBytes).toBe(least);
    expect(recommended(all.filter(({ ship }) => ship.verdict !== 'pass'))).toBeUndefined();
  });

  test('says factors, directions and noise in words', () => {
    const made = report();
    const by = Object.fromEntries(
      decisions(made, mainTarget(made)!).map((decision) => [decision.row.variant, decision]),
    );
    const int8 = by['INT8 dynamic, per channel']!;
    expect(int8.smaller.headline).toBe('3.7× smaller');
    expect(int8.faster.headline).toMatch(/^1\.[5-8]× faster$/);
    const broken = by['INT8 dynamic, per tensor']!;
    expect(broken.lost.headline).toMatch(/^\d+\.\d\d points worse$/);
    expect(broken.ship.headline).toBe('No');
    expect(by.Original!.ship.headline).toBe('This is the original');
    expect(by['Simplify only']!.smaller.headline).toMatch(/^1\.1\s?% smaller$/);
  });

  test('asks and answers in one sentence each', () => {
    expect(questionOf(report())).toMatch(/^Which of 5 variants of Text recognition .* worse by at most 1 point\?$/);
    expect(answerOf(report())).toMatch(/× smaller/);
    expect(
      answerOf({ ...report(), variants: report().variants.map((variant) => ({ ...variant, measurements: [] })) }),
    ).toBe('Nothing has been measured yet.');
  });
});

describe('written forms', () => {
  test('each holds every variant and its size', () => {
    for (const format of reportFormats) {
      const text = renderReport(report(), format, { link: 'https://example.test/#w1.abc' });
      for (const { recipe } of report().variants) expect(text, format).toContain(recipe.name);
      if (format !== 'csv' && format !== 'txt' && format !== 'json')
        expect(text, format).toContain('https://example.test/#w1.abc');
      expect(text.endsWith('\n')).toBe(true);
    }
  });

  test('HTML fetches nothing and runs nothing, whatever names hold', () => {
    const html = renderReport(hostile(), 'html', { link: 'https://example.test/?"><script>' });
    expect(html).not.toMatch(/<script/i);
    expect(html).not.toMatch(/<(link|img|iframe|object|embed)\b/i);
    expect(html).not.toMatch(/\b(src|href|srcset|action)\s*=/i);
    expect(html).not.toMatch(/url\(|@import/i);
    expect(html).toContain('&lt;script&gt;');
    expect(balanced(html)).toEqual([]);
  });

  test('SVG charts carry figures as text', () => {
    const html = renderReport(report(), 'html');
    const charts = html.match(/<svg.*?<\/svg>/gs)!;
    expect(charts).toHaveLength(4);
    expect(charts[0]).toContain('10.8\u202fMB');
    expect(charts[2]).toContain('gate');
  });

  test('Markdown tables have as many cells in each row, whatever names hold', () => {
    const rows = renderReport(hostile(), 'md')
      .split('\n')
      .filter((line) => line.startsWith('| '));
    const cells = rows.map((line) => line.replace(/\\./g, '').split('|').length);
    expect(new Set(cells).size).toBe(1);
    expect(rows).toHaveLength(2 + 6 * 2);
  });

  test('CSV reads back to the same numbers', () => {
    const lines = parseCsv(renderReport(hostile(), 'csv'));
    const [head, ...rows] = lines as [string[], ...string[][]];
    for (const row of rows) expect(row).toHaveLength(head.length);
    const bytes = rows.map((row) => Number(row[head.indexOf('file_bytes')]));
    expect(bytes.slice(0, 6)).toEqual(report().variants.map(({ facts }) => facts!.fileBytes));
    expect(rows[0]![0]).toContain('<script>');
  });

  test('endings choose the format', () => {
    expect(reportFormatOf('a/b.HTML')).toBe('html');
    expect(reportFormatOf('a.pdf')).toBeUndefined();
  });
});

/** Tags that are not closed in order; void elements aside. */
function balanced(html: string): string[] {
  const open: string[] = [];
  const wrong: string[] = [];
  for (const [, slash, name, rest] of html.matchAll(/<(\/?)([a-z][\w]*)([^<>]*)>/gi)) {
    if (['meta', 'br'].includes(name!) || rest!.endsWith('/')) continue;
    if (!slash) open.push(name!);
    else if (open.pop() !== name) wrong.push(name!);
  }
  return [...wrong, ...open];
}

/** RFC 4180. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^,\r\n]*))(,|\r\n)/g)) {
    rows.at(-1)!.push(quoted === undefined ? plain! : quoted.replaceAll('""', '"'));
    if (end === '\r\n') rows.push([]);
  }
  return rows.slice(0, -1);
}
