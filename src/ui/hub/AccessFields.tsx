import { useState } from 'react';
import { DEFAULT_HOST, parseHost } from '../../core/hub/address.ts';
import { hubAccess, setHubHost, setHubToken } from '../../services/hub/access.ts';
import controls from '../components/controls.module.css';
import styles from './hub.module.css';

interface AccessFieldsProps {
  /** Opens by itself where nothing goes on without it. */
  readonly forced: boolean;
  /** Called when another server is asked from now on. */
  readonly onChange: () => void;
}

/** Who is asked, and as whom. */
export function AccessFields({ forced, onChange }: AccessFieldsProps) {
  const [host, setHost] = useState(hubAccess().host);
  const [token, setToken] = useState(hubAccess().token ?? '');
  const [problem, setProblem] = useState<string | null>(null);
  const takeHost = (text: string) => {
    setHost(text);
    const parsed = parseHost(text.trim() === '' ? DEFAULT_HOST : text);
    setProblem(parsed.ok ? null : parsed.error.message);
    if (!parsed.ok || parsed.value === hubAccess().host) return;
    setHubHost(parsed.value);
    setToken('');
    onChange();
  };
  return (
    <details className={styles.access} open={forced || undefined}>
      <summary>Access token, other server</summary>
      <div className={styles.fields}>
        <div className={controls.field}>
          <label className={controls.label} htmlFor="hub-token">
            Access token
          </label>
          <input
            id="hub-token"
            className={controls.input}
            type="password"
            value={token}
            placeholder="hf_…"
            autoComplete="off"
            aria-describedby="hub-token-help"
            onChange={(event) => {
              setToken(event.target.value);
              setHubToken(event.target.value);
            }}
          />
          <span id="hub-token-help" className={controls.hint}>
            For gated and private repositories; one that may only read is enough. Kept in memory until this page is
            closed or reloaded, sent to {new URL(hubAccess().host).host} only.
          </span>
        </div>
        <div className={controls.field}>
          <label className={controls.label} htmlFor="hub-host">
            Server
          </label>
          <input
            id="hub-host"
            className={controls.input}
            value={host}
            placeholder={DEFAULT_HOST}
            autoComplete="off"
            spellCheck={false}
            aria-invalid={problem !== null}
            aria-describedby="hub-host-help"
            onChange={(event) => takeHost(event.target.value)}
          />
          <span id="hub-host-help" className={controls.hint}>
            {problem ?? 'A mirror that speaks as huggingface.co does. Remembered on this device.'}
          </span>
        </div>
      </div>
    </details>
  );
}
