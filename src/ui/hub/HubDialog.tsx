import { type FormEvent, useEffect, useRef, useState } from 'react';
import { type ErrorRecord, toErrorRecord } from '../../core/base/errors/index.ts';
import { parseHubAddress } from '../../core/hub/address.ts';
import { hostName, hubAccess } from '../../services/hub/access.ts';
import type { HubListing } from '../../services/hub/client.ts';
import { listHub } from '../../state/actions/hub.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { Modal } from '../components/Modal.tsx';
import { ErrorNote } from '../components/Note.tsx';
import { AccessFields } from './AccessFields.tsx';
import { Downloads } from './Downloads.tsx';
import { FilePicker } from './FilePicker.tsx';
import styles from './hub.module.css';

/** Models from the hub: a repository, its files, and what must be known before a download. */
export default function HubDialog() {
  const open = useStudio((state) => state.panel === 'hub');
  return (
    <Modal open={open} wide onClose={() => studio.getState().openPanel(null)} title="From Hugging Face">
      {open && <Finder />}
    </Modal>
  );
}

function Finder() {
  const asked = useStudio((state) => state.hubText);
  const [text, setText] = useState(asked);
  const [revision, setRevision] = useState('');
  const [listing, setListing] = useState<HubListing | null>(null);
  const [error, setError] = useState<ErrorRecord | null>(() => studio.getState().hubError);
  const [asking, setAsking] = useState<AbortController | null>(null);
  const [host, setHost] = useState(hubAccess().host);
  const [deletions, setDeletions] = useState(0);
  const running = useRef<AbortController | null>(null);

  const list = async () => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    setAsking(controller);
    setError(null);
    setListing(null);
    try {
      const found = await listHub(text, revision, controller.signal);
      if (running.current === controller) setListing(found);
    } catch (failure) {
      const record = toErrorRecord(failure);
      if (running.current === controller && record.code !== 'job/cancelled') setError(record);
    } finally {
      if (running.current === controller) setAsking(null);
    }
  };
  // The press on the start page was the consent to ask; a token that is missing must be given first.
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when it opens
  useEffect(() => {
    if (asked !== '' && !error) void list();
    return () => running.current?.abort();
  }, []);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (text.trim() !== '') void list();
  };
  const needsToken = listing?.gated || (error !== null && /^hub\/(gated|not-found|token-refused)$/.test(error.code));
  const path = pathIn(text, host);
  return (
    <div className={styles.dialog}>
      <form className={styles.find} onSubmit={submit}>
        <div className={`${controls.field} ${styles.repository}`}>
          <label className={controls.label} htmlFor="hub-repository">
            Repository: name or address
          </label>
          <input
            id="hub-repository"
            className={controls.input}
            value={text}
            placeholder="onnx-community/…"
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => setText(event.target.value)}
          />
        </div>
        <div className={controls.field}>
          <label className={controls.label} htmlFor="hub-revision">
            Revision
          </label>
          <input
            id="hub-revision"
            className={controls.input}
            value={revision}
            placeholder="main"
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => setRevision(event.target.value)}
          />
        </div>
        <Button type="submit" look={listing ? 'plain' : 'primary'} disabled={asking !== null || text.trim() === ''}>
          List files
        </Button>
      </form>
      <AccessFields
        forced={needsToken === true}
        onChange={() => {
          setHost(hubAccess().host);
          setListing(null);
        }}
      />
      {asking && (
        <p role="status" className={styles.asking}>
          Asking {hostName(host)} …{' '}
          <Button
            onClick={() => {
              asking.abort();
              setAsking(null);
            }}
          >
            Cancel
          </Button>
        </p>
      )}
      {error && <ErrorNote error={error} />}
      {listing && (
        <FilePicker key={`${listing.repo}@${listing.commit}`} listing={listing} path={path} deletions={deletions} />
      )}
      <Downloads onDelete={() => setDeletions((count) => count + 1)} />
      <p className={controls.hint}>
        {hostName(host)} is asked only when you press a button here. It learns which files you fetch; your model, your
        data and your results are not sent anywhere.
      </p>
    </div>
  );
}

function pathIn(text: string, host: string): string | null {
  const address = parseHubAddress(text, host);
  return address.ok ? address.value.path : null;
}
