/** Written forms of a report: whole, escaped, and the same figures in each. */
import { describe, expect, test } from 'vitest';
import { answerOf, decisions, mainTarget, questionOf, recommended } from '../../../../src/core/report/decision.ts';
import { recipeSummary, reproduction } from '../../../../src/core/report/parts.ts';
import { renderReport, reportFormatOf, reportFormats } from '../../../../src/core/report/render.ts';
import { describeDevice } from '../../../../src/core/study/device.ts';
import { type Report, reportSchema } from '../../../../src/core/study/results.ts';
import type { ReportSender } from '../../../../src/core/study/shared-figures.ts';
import { judgeReport } from '../../../fixtures/ui/judged.ts';
import { fixtureReport, fixtureStudy } from '../../../fixtures/ui/report.ts';

const report = (): Report => judgeReport(fixtureReport(fixtureStudy(['wasm', 'webgpu'])));

/** What somebody else measured. */
const cell = {
  threads: 4,
  latency: { medianMs: 7.89, p5Ms: 7.5, p95Ms: 8.4, runs: 40 },
  heapPeakBytes: 31e6,
  gpuBufferPeakBytes: null,
  metric: { value: 0.0123, interval: [0.01, 0.014] as [number, number], n: 64 },
  verdict: 'pass' as const,
};

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

  test('CSV has the threads that ran, and names that begin like a formula stay text', () => {
    const made = report();
    const [first, ...others] = made.variants;
    const formula = { ...first!, recipe: { ...first!.recipe, name: '=HYPERLINK("x")' } };
    const [head, row] = parseCsv(renderReport({ ...made, variants: [formula, ...others] }, 'csv')) as [
      string[],
      string[],
    ];
    const ran = first!.measurements[0]!;
    expect(ran.threads).toBeGreaterThan(0);
    expect(Number(row[head.indexOf('threads')])).toBe(ran.threads);
    expect(row[0]).toBe(`'=HYPERLINK("x")`);
  });

  describe('with figures of a link’s sender', () => {
    const made = report();
    const theirs: ReportSender = {
      device: 'Firefox 140 on Android, 8 logical cores',
      runtime: 'onnxruntime-web 1.21',
      measuredOn: '2026-03-04',
      metric: made.task.metrics[0]!,
      gate: { ...made.gate, mode: 'absolute', maxWorse: 0.5 },
      variants: made.variants.map((_, index) =>
        index === 1
          ? null
          : {
              fileBytes: 1_234_000,
              measurements: [
                { ...cell, target: { provider: 'wasm' as const, threads: 0 } },
                { ...cell, threads: 0, target: { provider: 'webnn' as const, threads: 0 } },
              ],
            },
      ),
    };
    const sent: Report = { ...made, sender: theirs };
    const own = describeDevice(made.environment);

    test('each form labels them, names both devices, and keeps the own figures as they were', () => {
      for (const format of ['html', 'md', 'txt'] as const) {
        const text = renderReport(sent, format).replaceAll('\\', '');
        expect(text, format).toContain(theirs.device);
        expect(text, format).toContain(own);
        expect(text, format).toContain('2026-03-04');
        expect(text.match(/Sender’s INT4 RTN/g), format).toHaveLength(2);
        expect(text, format).not.toContain('Sender’s Simplify only');
        expect(text, format).toMatch(/7\.89.ms/);
        const without = renderReport(made, format).replaceAll('\\', '');
        expect(without, format).not.toMatch(/sender’s|the sender/i);
        for (const line of without.split('\n').filter((found) => found.startsWith('| INT4')))
          expect(text, format).toContain(line);
      }
      expect(renderReport(sent, 'html')).toContain('<h2>WebNN, by the sender only</h2>');
      expect(balanced(renderReport(sent, 'html'))).toEqual([]);
      expect(answerOf(sent)).toBe(answerOf(made));
      expect(reportSchema.parse(JSON.parse(renderReport(sent, 'json')))).toEqual(sent);
    });

    test('the row of each stands right under the own one', () => {
      const rows = renderReport(sent, 'md').split('\n');
      const at = rows.findIndex((line) => line.startsWith('| FP16 | WASM'));
      expect(rows[at + 1]).toMatch(/^\| Sender’s FP16 \| WASM, 4 threads \| 1\.2.MB \|/);
      expect(rows[at + 2]).toMatch(/^\| INT8 dynamic, per tensor/);
    });

    test('CSV has a row for each, with whose it is and on what', () => {
      const [head, ...rows] = parseCsv(renderReport(sent, 'csv')) as [string[], ...string[][]];
      const column = (row: string[], name: string) => row[head.indexOf(name)];
      const mine = rows.filter((row) => column(row, 'measured_by') === 'here');
      const others = rows.filter((row) => column(row, 'measured_by') === 'sender');
      expect([mine.length, others.length]).toEqual([12, 10]);
      for (const row of rows) expect(row).toHaveLength(head.length);
      for (const row of mine) expect(column(row, 'device')).toBe(own);
      for (const row of others) {
        expect(column(row, 'device')).toBe(theirs.device);
        expect(column(row, 'median_ms')).toBe('7.89');
        expect(column(row, theirs.metric!.id)).toBe('0.0123');
        expect(column(row, 'verdict')).toBe('pass');
      }
    });

    test('whatever a stranger wrote stays text', () => {
      const evil = `"><script>alert(1)</script> |x| \`\`\` =cmd`;
      const hurt = { ...sent, sender: { ...theirs, device: evil, runtime: evil } };
      const html = renderReport(hurt, 'html');
      expect(html).not.toMatch(/<script/i);
      expect(balanced(html)).toEqual([]);
      const cells = renderReport(hurt, 'md')
        .split('\n')
        .filter((line) => line.startsWith('| '))
        .map((line) => line.replace(/\\./g, '').split('|').length);
      expect(new Set(cells).size).toBe(1);
      for (const row of parseCsv(renderReport(hurt, 'csv'))) expect(row.at(-1)).not.toMatch(/^=/);
    });
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

const LINK = 'https://example.test/#w1.abc';
const steps = [
  { id: 'eliminate-identity', params: {} },
  { id: 'dynamic-int8', params: { granularity: 'tensor' } },
];
const withSteps = (): Report => {
  const made = report();
  const variants = made.variants.map((variant, at) =>
    at > 0 ? { ...variant, recipe: { ...variant.recipe, steps } } : variant,
  );
  return { ...made, variants };
};
const named = (ref: Report['model']['ref'], task: Report['task']['ref'] = report().task.ref): Report => {
  const made = withSteps();
  return { ...made, model: { ...made.model, name: 'A title of ours', ref }, task: { ...made.task, ref: task } };
};

describe('how to get it again', () => {
  test.each([
    [{ kind: 'sample', id: 'ocr-cls' }, '--sample ocr-cls'],
    [{ kind: 'file', name: "it's mine.onnx", byteLength: 1 }, `'it'\\''s mine.onnx'`],
    [{ kind: 'url', url: 'https://a.test/x/net%20b.onnx?download=1' }, `'net b.onnx'`],
    [{ kind: 'hub', repo: 'org/name', revision: 'main', path: 'onnx/model_fp16.onnx' }, 'model_fp16.onnx'],
  ] as const)('the command line takes %j', (ref, argument) => {
    const lines = reproduction(named(ref), { link: LINK }).map(({ code }) => code);
    expect(lines[0]).toBe(LINK);
    expect(lines[1]).toBe(`whittle compare ${argument} --link '${LINK}'`);
    expect(lines[2]!.startsWith(`whittle optimize ${argument} --recipe `)).toBe(true);
  });

  test('with the arrays that a link cannot carry', () => {
    const ref = { kind: 'file', name: 'm.onnx', byteLength: 1 } as const;
    const line = (names: string[]) => reproduction(named(ref, { kind: 'files', names }), { link: LINK })[1]!.code;
    expect(line(['a.npz'])).toBe(`whittle compare m.onnx --inputs a.npz --link '${LINK}'`);
    expect(line(Array.from({ length: 9 }, (_, i) => `${i}.npy`))).toContain('--inputs FOLDER --link');
  });

  test('Markdown holds every recipe, and paper a line of each', () => {
    const made = withSteps();
    const recipes = made.variants.map(({ recipe }) => recipe).filter(({ steps }) => steps.length > 0);
    expect(recipes.length).toBeGreaterThan(1);
    const markdown = renderReport(made, 'md');
    const blocks = [...markdown.matchAll(/^```json\n(.*)\n```$/gm)].map(([, json]) => JSON.parse(json!) as unknown);
    expect(blocks).toEqual(recipes.map((recipe) => JSON.parse(JSON.stringify(recipe))));
    const html = renderReport(made, 'html');
    for (const recipe of recipes) expect(html).toContain(`<p class="paper"><b>${recipe.name}</b>: `);
  });

  test('a recipe on paper: what was set, and how many steps stand as they come', () => {
    const plain = ['a', 'b', 'c', 'd'].map((id) => ({ id, params: {} }));
    const recipe = { ...report().variants[1]!.recipe, steps: [...plain, { id: 'e', params: { bits: 4 } }] };
    expect(recipeSummary(recipe)).toBe('a to d (4 steps as they come), then e (bits: 4)');
  });
});
