/** More threads than this cost more than they bring for onnxruntime's pool on common machines. */
const MAX_AUTOMATIC_THREADS = 4;

/**
 * @param wanted 0: choose
 * @param host what the host has; threads need cross-origin isolation in browsers
 */
export function threadCount(
  wanted: number,
  host: { readonly cores: number; readonly canShareMemory: boolean },
): number {
  if (!host.canShareMemory) return 1;
  return wanted > 0 ? wanted : Math.max(1, Math.min(host.cores, MAX_AUTOMATIC_THREADS));
}
