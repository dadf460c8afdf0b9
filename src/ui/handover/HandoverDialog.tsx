import { Copy, Download } from 'lucide-react';
import { useState } from 'react';
import type { Handover, HandoverFit } from '../../core/handover/types.ts';
import { copyHandover, handoversOf, saveHandover } from '../../state/actions/handover.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import { Modal } from '../components/Modal.tsx';
import styles from './handover.module.css';

/** The selected variant's recipe in the words of other tools. */
export default function HandoverDialog() {
  const id = useStudio((state) => (state.panel === 'handover' ? state.selectedId : null));
  if (id === null) return null;
  return <OpenDialog id={id} />;
}

const FITS: Readonly<Record<HandoverFit, string>> = {
  exact: 'exact',
  approximate: 'approximately',
  none: 'not there',
};

function OpenDialog({ id }: { readonly id: string }) {
  const [chosen, choose] = useState(0);
  const [{ name, all }] = useState(() => handoversOf(id));
  const current = all[chosen];
  return (
    <Modal open onClose={() => studio.getState().openPanel(null)} title={`Hand over ${name}`} wide>
      {current && (
        <div className={styles.layout}>
          <div className={styles.formats} role="tablist" aria-label="Tool" aria-orientation="vertical">
            {all.map(({ format, title, fit }, index) => (
              <button
                key={format}
                type="button"
                role="tab"
                id={`handover-${format}`}
                aria-selected={index === chosen}
                aria-controls="handover-panel"
                tabIndex={index === chosen ? 0 : -1}
                className={styles.format}
                onClick={() => choose(index)}
                onKeyDown={(event) => {
                  const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
                  if (step === undefined) return;
                  event.preventDefault();
                  const next = (index + step + all.length) % all.length;
                  choose(next);
                  document.getElementById(`handover-${all[next]!.format}`)?.focus();
                }}
              >
                {title} <span className={styles.fit}>{FITS[fit]}</span>
              </button>
            ))}
          </div>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a tab panel that scrolls must be reachable by keyboard */}
          <div id="handover-panel" role="tabpanel" aria-labelledby={`handover-${current.format}`} tabIndex={0}>
            <Panel key={current.format} handover={current} />
          </div>
        </div>
      )}
    </Modal>
  );
}

function Panel({ handover }: { readonly handover: Handover }) {
  const { fit, notes, text, writtenFor, fileName, companions = [] } = handover;
  return (
    <div className={styles.panel}>
      {fit === 'none' ? (
        <p>This tool has no counterpart of the recipe.</p>
      ) : (
        <div className={styles.actions}>
          <Button look="primary" onClick={() => void saveHandover(handover)}>
            <Download size={15} aria-hidden /> {[fileName, ...companions.map((file) => file.fileName)].join(' and ')}
          </Button>
          <Button onClick={() => void copyHandover(handover)}>
            <Copy size={15} aria-hidden /> Copy
          </Button>
          <span className={styles.note}>{writtenFor}</span>
        </div>
      )}
      {fit !== 'none' && <Notes title="Maps exactly" sentences={notes.exact} />}
      {fit !== 'none' && <Notes title="Only approximately" sentences={notes.approximate} />}
      <Notes title="No counterpart there" sentences={notes.missing} />
      {text !== '' && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so it must be reachable by keyboard
        <section className={styles.source} tabIndex={0} aria-label={fileName}>
          <pre>{text}</pre>
        </section>
      )}
    </div>
  );
}

function Notes({ title, sentences }: { readonly title: string; readonly sentences: readonly string[] }) {
  if (sentences.length === 0) return null;
  return (
    <section>
      <h3 className={styles.heading}>{title}</h3>
      <ul className={styles.list}>
        {sentences.map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
    </section>
  );
}
