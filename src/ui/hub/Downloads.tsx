import { Trash2 } from 'lucide-react';
import { useEffect, useState } from 'react';
import type { HubRef } from '../../core/hub/ref.ts';
import { type CachedFile, cachedFiles, deleteCached } from '../../services/hub/cache.ts';
import { openHubRef } from '../../state/actions/hub.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import { formatBytes, plural } from '../format.ts';
import styles from './hub.module.css';

interface Kept {
  readonly repo: string;
  readonly commit: string;
  readonly files: readonly CachedFile[];
  readonly bytes: number;
}

function byRepository(files: readonly CachedFile[]): Kept[] {
  const groups = new Map<string, CachedFile[]>();
  for (const file of files) {
    const key = `${file.host} ${file.repo} ${file.commit}`;
    groups.set(key, [...(groups.get(key) ?? []), file]);
  }
  return [...groups.values()].map((group) => ({
    repo: group[0]!.repo,
    commit: group[0]!.commit,
    files: group,
    bytes: group.reduce((sum, { bytes }) => sum + bytes, 0),
  }));
}

const refOf = ({ repo, commit, path, sha256 }: CachedFile): HubRef => ({
  kind: 'hub',
  repo,
  revision: commit,
  path,
  ...(sha256 ? { sha256 } : {}),
});

/** What was downloaded: opens without asking anybody, and goes when it is told to. */
export function Downloads({ onDelete }: { readonly onDelete: () => void }) {
  const [files, setFiles] = useState<readonly CachedFile[]>([]);
  const busy = useStudio((state) => state.opening !== null);
  const refresh = () => void cachedFiles().then(setFiles);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a download that ended changes it
  useEffect(refresh, [busy]);
  const remove = async (own: readonly CachedFile[]) => {
    await deleteCached(own.map(({ key }) => key));
    refresh();
    onDelete();
  };
  if (files.length === 0) return null;
  const kept = byRepository(files);
  const total = kept.reduce((sum, { bytes }) => sum + bytes, 0);
  return (
    <details className={styles.access}>
      <summary>On this device: {formatBytes(total)}</summary>
      <ul className={styles.kept}>
        {kept.map(({ repo, commit, files: own, bytes }) => (
          <li key={`${own[0]!.host}/${repo}@${commit}`}>
            <span className={styles.keptName}>
              {repo} <small>at {commit.slice(0, 7)}</small>
            </span>
            <span>{formatBytes(bytes)}</span>
            <Button
              icon
              look="quiet"
              aria-label={`Delete the files of ${repo}`}
              disabled={busy}
              onClick={() => void remove(own)}
            >
              <Trash2 size={15} />
            </Button>
            {own
              .filter(({ path, complete }) => complete && /\.onnx$/i.test(path))
              .map((file) => (
                <Button key={file.key} disabled={busy} onClick={() => void openHubRef(refOf(file))}>
                  Open {file.path}
                </Button>
              ))}
            {own.some(({ complete }) => !complete) && (
              <small>{plural(own.filter(({ complete }) => !complete).length, 'file')} not complete</small>
            )}
          </li>
        ))}
      </ul>
    </details>
  );
}
