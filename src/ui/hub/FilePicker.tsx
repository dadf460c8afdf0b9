import { useEffect, useMemo, useState } from 'react';
import { StudioError, toErrorRecord } from '../../core/base/errors/index.ts';
import { pageUrl } from '../../core/hub/urls.ts';
import { groupVariants, type HubVariant, preferredVariant } from '../../core/hub/variants.ts';
import { hostName, hubAccess } from '../../services/hub/access.ts';
import { cachedFiles } from '../../services/hub/cache.ts';
import type { HubListing } from '../../services/hub/client.ts';
import { filesToFetch, sumOfSizes } from '../../services/hub/model.ts';
import { openHubVariant } from '../../state/actions/hub.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { ErrorNote, Note } from '../components/Note.tsx';
import { type Column, SortableTable } from '../components/SortableTable.tsx';
import { formatBytes, plural } from '../format.ts';
import styles from './hub.module.css';

interface FilePickerProps {
  readonly listing: HubListing;
  /** What the address named, to begin with. */
  readonly path: string | null;
  /** How often something was deleted beside it: what is here is looked for anew. */
  readonly deletions: number;
}

/** A repository's models as a table, one of them chosen, and what it would cost to download it. */
export function FilePicker({ listing, path, deletions }: FilePickerProps) {
  const variants = useMemo(() => groupVariants(listing.files), [listing]);
  const [chosen, setChosen] = useState(() => preferredVariant(variants, path)?.graph.path ?? null);
  const busy = useStudio((state) => state.opening !== null);
  const here = useBytesHere(listing, deletions);
  const variant = variants.find(({ graph }) => graph.path === chosen);
  const facts = { repo: listing.repo, revision: listing.revision, files: listing.files.length };
  if (!variant) return <ErrorNote error={toErrorRecord(new StudioError('hub/no-models', facts))} />;
  const files = filesToFetch(listing, variant);
  const present = files.reduce((sum, { path: name }) => sum + (here.get(name) ?? 0), 0);
  const missing = sumOfSizes(files) - present;
  return (
    <section className={styles.picker} aria-label="Files">
      <p>
        <strong>{listing.repo}</strong>{' '}
        <span className={controls.hint}>
          {listing.revision}, commit {listing.commit.slice(0, 7)}
          {listing.purpose && `, ${listing.purpose}`}
        </span>
      </p>
      {listing.gated && (
        <Note
          level="warning"
          advice={
            <>
              Accept its terms on{' '}
              <a href={pageUrl(listing.host, listing.repo)} target="_blank" rel="noreferrer">
                its page
              </a>
              , then give an access token of that account above.
            </>
          }
        >
          This repository is gated: its owner lets only people in who asked for access.
        </Note>
      )}
      <SortableTable
        caption={`${plural(variants.length, 'model')} in this repository`}
        columns={columns(chosen, setChosen)}
        rows={variants}
        rowKey={({ graph }) => graph.path}
        start={{ key: 'file', direction: 'ascending' }}
        selectedKey={chosen}
      />
      <div className={styles.get}>
        <Button look="primary" disabled={busy} onClick={() => void openHubVariant(listing, variant)}>
          {missing > 0 ? `Download ${formatBytes(missing)} and open` : 'Open'}
        </Button>
        <span className={controls.hint}>
          {missing === 0
            ? 'It is on this device already.'
            : `from ${hostName(hubAccess().host)}: ${plural(files.length, 'file')}${present > 0 ? `, ${formatBytes(present)} are here already` : ''}.`}
        </span>
      </div>
    </section>
  );
}

/** Of this repository at this commit, by path. */
function useBytesHere({ host, repo, commit }: HubListing, deletions: number): ReadonlyMap<string, number> {
  const [here, setHere] = useState<ReadonlyMap<string, number>>(new Map());
  const opening = useStudio((state) => state.opening !== null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a download that ended changes it, as does what was deleted
  useEffect(() => {
    let current = true;
    void cachedFiles().then((files) => {
      const own = files.filter((file) => file.host === host && file.repo === repo && file.commit === commit);
      if (current) setHere(new Map(own.map(({ path, bytes }) => [path, bytes])));
    });
    return () => {
      current = false;
    };
  }, [host, repo, commit, opening, deletions]);
  return here;
}

function columns(chosen: string | null, choose: (path: string) => void): readonly Column<HubVariant>[] {
  return [
    {
      key: 'file',
      title: 'File',
      value: ({ graph }) => graph.path,
      draw: ({ graph }) => (
        <label className={styles.choice}>
          <input type="radio" name="hub-variant" checked={graph.path === chosen} onChange={() => choose(graph.path)} />
          <span title={graph.path}>{graph.path}</span>
        </label>
      ),
    },
    { key: 'dtype', title: 'Weights', value: ({ dtype }) => dtype, draw: ({ dtype }) => dtype },
    {
      key: 'bytes',
      title: 'Size',
      isNumber: true,
      value: ({ bytes }) => bytes,
      draw: ({ bytes }) => formatBytes(bytes),
    },
    {
      key: 'data',
      title: 'External data',
      value: ({ data }) => sumOfSizes(data),
      draw: ({ data }) =>
        data.length === 0 ? 'none' : `${plural(data.length, 'file')}, ${formatBytes(sumOfSizes(data))}`,
    },
  ];
}
