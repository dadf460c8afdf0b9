/** A model of a hub as links, sessions and reports name it: pinned to a commit, so that it stays the same file. */
import { z } from 'zod';
import { isFilePath, isRepoName } from './names.ts';

export const hubRefSchema = z.object({
  kind: z.literal('hub'),
  /** `organization/name`, or `name` alone for the hub's oldest repositories. */
  repo: z.string().max(200).refine(isRepoName, 'it is not the name of a repository'),
  /** The commit. */
  revision: z.string().regex(/^[0-9a-f]{40}$/),
  /** Of the .onnx file in the repository. */
  path: z.string().max(500).refine(isFilePath, 'it is not the path of a file'),
  /** Of the .onnx file, where the hub knows it. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  /** Of the .onnx file and its data files: what whoever opens a link is asked to agree to. */
  byteLength: z.number().int().min(0).optional(),
});
export type HubRef = z.output<typeof hubRefSchema>;
