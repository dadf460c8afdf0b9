/** The hub's answers: what is needed of them is checked, the rest is ignored, since the hub adds fields freely. */
import { z } from 'zod';
import { isFilePath } from './names.ts';

const hex = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));
const bytes = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** `GET /api/models/{repo}/revision/{rev}` */
export const modelInfoSchema = z.object({
  /** The commit that the revision stands for. */
  sha: hex(40),
  gated: z
    .union([z.boolean(), z.string().max(40)])
    .optional()
    .catch(undefined),
  private: z.boolean().optional().catch(undefined),
  pipeline_tag: z.string().max(80).optional().catch(undefined),
  library_name: z.string().max(80).optional().catch(undefined),
  tags: z.array(z.string().max(200)).max(2000).optional().catch(undefined),
});
export type ModelInfo = z.output<typeof modelInfoSchema>;

/** One row of `GET /api/models/{repo}/tree/{rev}?recursive=true`. */
const treeEntrySchema = z.object({
  type: z.string().max(40),
  path: z.string().refine(isFilePath),
  size: bytes.optional(),
  /** Of the git object: a SHA-1, or on newer repositories a SHA-256. */
  oid: z
    .string()
    .regex(/^[0-9a-f]{40}(?:[0-9a-f]{24})?$/)
    .optional(),
  lfs: z.object({ oid: hex(64), size: bytes }).optional(),
});

export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** Of its contents; null for small files that git itself keeps. */
  readonly sha256: string | null;
  /** What it is known by as long as it does not change: `sha256` where there is one, else git's own name for it. */
  readonly oid: string;
}

/**
 * The files on one page of a listing. Folders, and rows that make no sense, are left out: one odd file must not hide
 * the others.
 * @returns null when it is no listing at all
 */
export function readTreePage(json: unknown): HubFile[] | null {
  if (!Array.isArray(json)) return null;
  return json.flatMap((row: unknown) => {
    const parsed = treeEntrySchema.safeParse(row);
    if (!parsed.success || parsed.data.type !== 'file') return [];
    const { path, size, oid, lfs } = parsed.data;
    const known = lfs?.oid ?? oid;
    const length = lfs?.size ?? size;
    return known === undefined || length === undefined
      ? []
      : [{ path, size: length, sha256: lfs?.oid ?? null, oid: known }];
  });
}

/** Who may download: anyone, or only people whom the owner let in. */
export function isGated({ gated }: ModelInfo): boolean {
  return typeof gated === 'string' ? gated !== 'false' : gated === true;
}

/** `config.json`, as far as it says what the model is. */
const configSchema = z.object({
  model_type: z.string().max(80).optional().catch(undefined),
  architectures: z.array(z.string().max(120)).max(8).optional().catch(undefined),
});

/** @returns e.g. "bert, BertForSequenceClassification"; null where the file says neither */
export function describeConfig(json: unknown): string | null {
  const parsed = configSchema.safeParse(json);
  if (!parsed.success) return null;
  const { model_type, architectures } = parsed.data;
  return [model_type, ...(architectures ?? [])].filter((word) => word).join(', ') || null;
}
