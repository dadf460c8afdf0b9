/** What is written down beside the bytes of a downloaded file. */
import { z } from 'zod';

export const fileStateSchema = z.object({
  /** The origin it came from. */
  host: z.string(),
  repo: z.string(),
  commit: z.string(),
  path: z.string(),
  /** What the listing called its contents (see `HubFile`). */
  oid: z.string(),
  sha256: z.string().nullable(),
  /** Of the answer that its first byte came with; null where the page could not read it. */
  etag: z.string().nullable(),
  /** In bytes, when complete. */
  size: z.number().int().min(0),
  complete: z.boolean(),
});
export type FileState = z.output<typeof fileStateSchema>;
