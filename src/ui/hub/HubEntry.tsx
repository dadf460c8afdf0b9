import { Boxes } from 'lucide-react';
import { useState } from 'react';
import type { HubRef } from '../../core/hub/ref.ts';
import { openHubRef } from '../../state/actions/lazy.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { formatBytes } from '../format.ts';
import styles from './hub-entry.module.css';

/** One field for a repository, by name or address. What is behind it is fetched with the first press. */
export function HubEntry() {
  const [text, setText] = useState('');
  const busy = useStudio((state) => state.opening !== null);
  return (
    <form
      className={styles.entry}
      onSubmit={(event) => {
        event.preventDefault();
        studio.getState().openHub(text.trim());
      }}
    >
      <label htmlFor="hub-entry">From Hugging Face</label>
      <input
        id="hub-entry"
        className={controls.input}
        placeholder="organization/name, or its address"
        value={text}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => setText(event.target.value)}
      />
      <Button type="submit" disabled={busy} aria-haspopup="dialog">
        <Boxes size={15} aria-hidden /> List files …
      </Button>
    </form>
  );
}

/** For a link whose model is on the hub: nothing is asked for before this is pressed. */
export function HubQuestion({ model }: { readonly model: HubRef }) {
  const busy = useStudio((state) => state.opening !== null);
  const { repo, revision, path, byteLength } = model;
  return (
    <span className={styles.question}>
      {byteLength !== undefined && (
        <Button look="primary" disabled={busy} onClick={() => void openHubRef(model)}>
          Download {formatBytes(byteLength)}
        </Button>
      )}
      <Button disabled={busy} onClick={() => studio.getState().openHub(`${repo}@${revision}/${path}`)}>
        See its files …
      </Button>
    </span>
  );
}
