import { z } from 'zod';
import { reportSchema } from '../study/results.ts';

/** The published JSON Schema (draft 2020-12) of report.json; docs/report.schema.json holds it, and a test compares. */
export function reportJsonSchema(): unknown {
  return z.toJSONSchema(reportSchema, { io: 'output', unrepresentable: 'any' });
}
