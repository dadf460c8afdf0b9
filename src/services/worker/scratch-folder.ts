/**
 * The folder where a model's large intermediate tensors lie. It belongs to the page, because built variants refer to its
 * files for as long as the model is open, whatever becomes of the worker that wrote them.
 */
import { SCRATCH_ROOT } from '../../runtime/transform/scratch-store.ts';

export interface ScratchFolder {
  readonly name: string;
  /** Deletes the folder with all files in it. */
  release(): Promise<void>;
}

const lockOf = (folderName: string) => `${SCRATCH_ROOT}/${folderName}`;

/** Names a new folder, and deletes those of pages that ended without cleaning up. The folder is made when it is needed. */
export async function claimScratchFolder(): Promise<ScratchFolder> {
  // Not `crypto.randomUUID`, which pages outside secure contexts do not have; nor do they have locks and files.
  const name = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
  if (!globalThis.isSecureContext) return { name, release: async () => {} };
  const unlock = await lockForLife(name);
  // Nobody waits for it; a folder that cannot be deleted now is found again next time.
  void removeAbandoned().catch(() => {});
  return {
    name,
    async release() {
      const root = await scratchRoot().catch(() => undefined);
      // It may never have been made.
      await root?.removeEntry(name, { recursive: true }).catch(() => {});
      unlock();
    },
  };
}

/** The lock tells other tabs that the folder is in use; the browser releases it however this page ends. */
function lockForLife(folderName: string): Promise<() => void> {
  return new Promise((granted, refused) => {
    navigator.locks.request(lockOf(folderName), () => new Promise<void>((unlock) => granted(unlock))).catch(refused);
  });
}

async function scratchRoot(): Promise<FileSystemDirectoryHandle> {
  return (await navigator.storage.getDirectory()).getDirectoryHandle(SCRATCH_ROOT, { create: true });
}

async function removeAbandoned(): Promise<void> {
  const root = await scratchRoot();
  const names: string[] = [];
  for await (const name of root.keys()) names.push(name);
  for (const name of names) {
    await navigator.locks.request(lockOf(name), { ifAvailable: true }, async (lock) => {
      if (lock) await root.removeEntry(name, { recursive: true }).catch(() => {});
    });
  }
}
