// Docs that are made from code: `npm run docs` rewrites them, `npm test` fails when they are out of date.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { errorTable } from '../../src/core/base/errors/index.ts';
import { formFields } from '../../src/core/recipe/form.ts';
import { presets } from '../../src/core/recipe/presets.ts';
import { stepRegistry } from '../../src/core/recipe/registry.ts';
import { reportJsonSchema } from '../../src/core/report/json-schema.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function recipeFormat(): string {
  const lines = [
    '# The recipe format',
    '',
    'Made from the step declarations by `npm run docs`; do not edit.',
    '',
    'A recipe is JSON: `{ "format": "whittle-recipe", "version": 1, "name": "...", "steps": [{ "id": "...", "params": {} }],',
    '"runtime": { "graphOptimizationLevel": "all", "disabledOptimizers": [], "disablePrepacking": false,',
    '"weightsAtLoad": "as-stored" } }`. Parameters that',
    'are left out take their defaults; the order of steps does not matter, they run in the order of this page.',
    '',
    '## Presets',
    '',
    '| id | title | what it does |',
    '|---|---|---|',
    ...presets.map(({ id, title, description }) => `| \`${id}\` | ${cell(title)} | ${cell(description)} |`),
    '',
    '## Steps',
  ];
  for (const step of stepRegistry.values()) {
    lines.push(
      '',
      `### \`${step.id}\``,
      '',
      `**${step.title}** (${step.section}, ${step.precision}). ${step.summary}`,
      '',
      `Source: ${step.source}.`,
    );
    if (step.exclusiveGroup) lines.push('', `At most one step of the group \`${step.exclusiveGroup}\`.`);
    const fields = formFields(step.params);
    if (fields.length === 0) continue;
    lines.push('', '| parameter | default | values | meaning |', '|---|---|---|---|');
    for (const field of fields)
      lines.push(
        `| \`${field.key}\` | \`${JSON.stringify(field.default)}\` | ${cell(allowed(field))} | ${cell(`${field.title}. ${field.description}`)} |`,
      );
  }
  return `${lines.join('\n')}\n`;
}

function allowed(field: ReturnType<typeof formFields>[number]): string {
  switch (field.kind) {
    case 'boolean':
      return 'true, false';
    case 'enum':
      return field.options.map((option) => JSON.stringify(option)).join(', ');
    case 'number':
      return `${field.integer ? 'whole number' : 'number'}${field.min === undefined ? '' : ` from ${field.min}`}${field.max === undefined ? '' : ` to ${field.max}`}${field.unit ? ` (${field.unit})` : ''}`;
    case 'string':
      return 'text';
    case 'string-list':
      return 'list of texts';
  }
}

function errors(): string {
  const rows = Object.entries(errorTable).map(([code, { advice }]) => `| \`${code}\` | ${cell(advice)} |`);
  return [
    '# Errors',
    '',
    'Made from the error table by `npm run docs`; do not edit.',
    '',
    '| code | what to do |',
    '|---|---|',
    ...rows,
    '',
  ].join('\n');
}

const documents: Record<string, () => string> = {
  'docs/RECIPE-FORMAT.md': recipeFormat,
  'docs/ERRORS.md': errors,
  'docs/report.schema.json': () => `${JSON.stringify(reportJsonSchema(), null, 2)}\n`,
};

for (const [path, make] of Object.entries(documents))
  test(`${path} is what the code says (npm run docs)`, () => {
    const text = make();
    if (process.env.WHITTLE_UPDATE_DOCS) writeFileSync(`${root}${path}`, text);
    expect(existsSync(`${root}${path}`) ? readFileSync(`${root}${path}`, 'utf8') : '').toBe(text);
  });
