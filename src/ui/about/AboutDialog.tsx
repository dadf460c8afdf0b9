import { useEffect, useState } from 'react';
import { type PagePolicy, readPagePolicy } from '../../services/policy.ts';
import { askedHosts } from '../../services/remote.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { Modal } from '../components/Modal.tsx';
import styles from './about.module.css';

/** What the page asks for, of whom and when. */
const REQUESTS = [
  ['Its own files', 'This server, at the first visit and for new versions, which it looks for at each visit.'],
  ['ONNX Runtime', 'This server, when the first model is opened. 14 MB; 27 MB more for WebGPU.'],
  ['A sample and its data', 'This server, when you open it.'],
  [
    'A model by its address',
    'The server in the address, when you press Fetch. It sees your network address and which file you want, as for any download; no cookies, no referrer.',
  ],
  [
    'Hugging Face',
    'The hub, or another server that you named, when you list or download files. An access token goes to that server alone.',
  ],
] as const;

const PLACES = [
  ['Models, arrays, downloads', 'In this browser’s private files for this page.'],
  ['Projects and figures', 'In this browser’s database for this page.'],
  ['The app, the runtime, sample data', 'In this browser’s cache, so that it works offline.'],
  ['Theme, name of the hub’s server', 'In this browser’s settings for this page.'],
  ['An access token', 'In memory. A reload forgets it.'],
] as const;

export default function AboutDialog() {
  const open = useStudio((state) => state.panel === 'about');
  return (
    <Modal open={open} onClose={() => studio.getState().openPanel(null)} title="About and privacy">
      <div className={styles.about}>
        <p>
          <strong>Your model never leaves this device.</strong> Whittle runs wholly in this tab: it builds, runs and
          measures your models here. There is no server behind it, no account, no telemetry and no advertising; nobody
          is told that you use it, or for what.
        </p>
        <h3>What it asks the network for</h3>
        <Facts label="Requests, and when they are made" rows={REQUESTS} />
        <p>
          Nothing else. Other servers asked since you opened this page: <Asked />. A link holds recipes and figures
          behind its “#”, which browsers send to nobody, and never the model.
        </p>
        <h3>What it keeps, and where</h3>
        <Facts label="What is stored where" rows={PLACES} />
        <p>
          All of it stays on this device until you delete it, under{' '}
          <Button onClick={() => studio.getState().openPanel('projects')}>Projects</Button> or with the browser’s data
          for this site.
        </p>
        <h3>How to check</h3>
        <ol className={styles.steps}>
          <li>Open the browser’s developer tools (F12), Network, and press Run all: what is asked for is listed.</li>
          <li>
            Switch the network off and reload: everything goes on working, but for addresses and for samples that were
            never opened.
          </li>
          <li>
            Read the policy below. The browser itself holds the page to it: <code>connect-src 'self'</code> means that
            it can ask no other server and send nothing to any.
          </li>
        </ol>
        {open && <Policy />}
        <p className={controls.hint}>
          Whittle {__WHITTLE_VERSION__}, Apache-2.0. Reports as JSON follow{' '}
          <a href="./report.schema.json" target="_blank" rel="noreferrer">
            a published schema
          </a>
          .
        </p>
      </div>
    </Modal>
  );
}

function Facts({ label, rows }: { readonly label: string; readonly rows: readonly (readonly [string, string])[] }) {
  return (
    <table className={styles.facts}>
      <caption className="visually-hidden">{label}</caption>
      <tbody>
        {rows.map(([what, where]) => (
          <tr key={what}>
            <th scope="row">{what}</th>
            <td>{where}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Asked() {
  const hosts = askedHosts();
  return <strong>{hosts.length === 0 ? 'none' : hosts.join(', ')}</strong>;
}

function Policy() {
  const [policy, setPolicy] = useState<PagePolicy | null>(null);
  useEffect(() => {
    void readPagePolicy().then(setPolicy);
  }, []);
  if (!policy) return null;
  const { written, sent } = policy;
  const shown = sent ?? written;
  if (!shown) return <p>This page was served without a policy, as while it is being developed.</p>;
  const origin =
    sent && written ? 'sent with this page and written in it' : sent ? 'sent with this page' : 'written in it';
  return (
    <figure className={styles.policy}>
      <figcaption>The content security policy of this page, {origin}:</figcaption>
      <ul>
        {shown.map((directive) => (
          <li key={directive}>
            <code>{directive}</code>
          </li>
        ))}
      </ul>
      <p className={controls.hint}>
        One worker (<code>remote/fetch-….js</code>) may ask other servers. It gets the addresses that you typed or
        confirmed, and nothing of your models.
      </p>
    </figure>
  );
}
