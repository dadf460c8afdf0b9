import { FolderOpen, Play, Upload } from 'lucide-react';
import { lazy, Suspense, useEffect, useState } from 'react';
import type { Sample } from '../../core/study/samples.ts';
import { openSample, openUrl } from '../../state/actions/lazy.ts';
import { requireSamples } from '../../state/actions/samples.ts';
import { chooseFiles, chooseFolder } from '../../state/actions/start.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { ErrorNote, Note } from '../components/Note.tsx';
import { formatBytes, plural } from '../format.ts';
import { HubEntry, HubQuestion } from '../hub/HubEntry.tsx';
import styles from './start.module.css';

const ContinueList = lazy(() => import('../projects/ContinueList.tsx'));

/** The empty state: five ways in, and one click that shows everything. */
export function StartPage() {
  const openError = useStudio((state) => state.openError);
  const pending = useStudio((state) => state.pendingStudy);
  const hasProjects = useStudio((state) => state.projects.length > 0);
  return (
    <main className={styles.page}>
      <div className={styles.inner}>
        <div className={styles.lead}>
          <h2>See what quantization and fusion really cost, on your model and your data.</h2>
          <p>
            Drop an ONNX model, toggle settings, and compare memory, latency and accuracy of every variant, measured
            here in this tab. The model never leaves your device.
          </p>
          <FirstLook />
        </div>
        {openError && <ErrorNote error={openError} />}
        {pending && (
          <Note
            level="info"
            advice="Open it, and they are there to run."
            action={
              pending.model.kind === 'url' ? (
                <FetchButton url={pending.model.url} />
              ) : (
                pending.model.kind === 'hub' && <HubQuestion model={pending.model} />
              )
            }
          >
            {plural(pending.variants.length, 'variant')} for a model that is not here yet
            {pending.model.kind === 'file' && `: ${pending.model.name}, ${formatBytes(pending.model.byteLength)}`}
            {pending.model.kind === 'url' && `: ${pending.model.url}`}
            {pending.model.kind === 'hub' &&
              `: ${pending.model.path} of ${pending.model.repo} at ${pending.model.revision.slice(0, 7)}`}
            .
          </Note>
        )}
        {hasProjects && (
          <Suspense>
            <ContinueList />
          </Suspense>
        )}
        <OpenRow />
        <Gallery />
      </div>
    </main>
  );
}

/** Small, quick, and its variants differ visibly. */
const FIRST_SAMPLE = 'tagger';

/** What the studio does, shown rather than told. */
function FirstLook() {
  const samples = useStudio((state) => state.samples);
  const busy = useStudio((state) => state.opening !== null);
  const sample = samples?.find(({ id }) => id === FIRST_SAMPLE) ?? samples?.[0];
  return (
    <div className={styles.first}>
      <Button look="primary" disabled={busy || !sample} onClick={() => sample && void openSample(sample)}>
        <Play size={15} aria-hidden /> See it at work
      </Button>
      <span className={controls.hint}>
        {sample
          ? `A ${formatBytes(sample.modelBytes)} model against ${plural(sample.presets.length, 'variant')} of it, measured here: sizes, times, accuracy, and a verdict.`
          : 'A small model and variants of it, measured here.'}
      </span>
    </div>
  );
}

function FetchButton({ url }: { readonly url: string }) {
  const busy = useStudio((state) => state.opening !== null);
  return (
    <Button look="primary" disabled={busy} onClick={() => void openUrl(url)}>
      Fetch it
    </Button>
  );
}

function OpenRow() {
  const [url, setUrl] = useState('');
  const busy = useStudio((state) => state.opening !== null);
  return (
    <section className={styles.drop} aria-label="Open a model">
      <p>
        <strong>Drop a model anywhere</strong>, alone or with its data files, or paste it.
        <br />
        <span className={controls.hint}>.onnx, a folder, a recipe, a report or a project</span>
      </p>
      <Button disabled={busy} onClick={() => void chooseFiles()}>
        <Upload size={15} aria-hidden /> Browse …
      </Button>
      <Button disabled={busy} onClick={() => void chooseFolder()}>
        <FolderOpen size={15} aria-hidden /> Folder …
      </Button>
      <form
        className={styles.url}
        onSubmit={(event) => {
          event.preventDefault();
          if (url.trim()) void openUrl(url.trim());
        }}
      >
        <input
          className={controls.input}
          type="url"
          inputMode="url"
          placeholder="https://…/model.onnx"
          aria-label="Address of a model"
          value={url}
          onChange={(event) => setUrl(event.target.value)}
        />
        <Button type="submit" disabled={busy || url.trim() === ''}>
          Fetch
        </Button>
      </form>
      <HubEntry />
    </section>
  );
}

function Gallery() {
  const samples = useStudio((state) => state.samples);
  const error = useStudio((state) => state.samplesError);
  useEffect(() => {
    // The error is in the store; nothing more to do here.
    requireSamples().catch(() => {});
  }, []);
  return (
    <section className={styles.section} aria-label="Samples">
      <h3>Samples: one click loads the model, makes variants and runs them</h3>
      {error && (
        <ErrorNote
          error={error}
          action={
            <Button
              onClick={() => {
                studio.setState({ samplesError: null });
                requireSamples().catch(() => {});
              }}
            >
              Try again
            </Button>
          }
        />
      )}
      {groupsOf(samples ?? []).map(({ title, members }) => (
        <section key={title} className={styles.group} aria-label={title}>
          {title && <h4>{title}</h4>}
          <div className={styles.samples}>
            {members.map((sample) => (
              <SampleButton key={sample.id} sample={sample} />
            ))}
          </div>
        </section>
      ))}
    </section>
  );
}

/** In the order of the list. */
function groupsOf(samples: readonly Sample[]): { readonly title: string; readonly members: Sample[] }[] {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) groups.set(sample.group, [...(groups.get(sample.group) ?? []), sample]);
  return [...groups].map(([title, members]) => ({ title, members }));
}

function SampleButton({ sample }: { readonly sample: Sample }) {
  const busy = useStudio((state) => state.opening !== null);
  return (
    <button
      type="button"
      className={styles.sample}
      data-sample={sample.id}
      disabled={busy}
      onClick={() => void openSample(sample)}
    >
      <span className={styles.sampleTitle}>
        {sample.title}
        <Play size={15} aria-hidden />
      </span>
      <span className={styles.story}>{sample.story}</span>
      <span className={styles.meta}>
        <span>{formatBytes(sample.modelBytes)} to load</span>
        <span>{plural(sample.evaluationSamples, 'sample')}</span>
        <span>{sample.licence}</span>
      </span>
    </button>
  );
}
