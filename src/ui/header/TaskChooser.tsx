import { FlaskConical } from 'lucide-react';
import { canonicalJson } from '../../core/base/json.ts';
import type { Report } from '../../core/study/results.ts';
import type { Sample } from '../../core/study/samples.ts';
import type { TaskRef } from '../../core/study/schema.ts';
import { browseFiles } from '../../services/files.ts';
import { suggestRandomTask } from '../../services/task-suggestions.ts';
import { openFiles } from '../../state/actions/open.ts';
import { tensorInputs } from '../../state/card-facts.ts';
import type { LoadedModel } from '../../state/model-slice.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button, buttonClass } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { Modal } from '../components/Modal.tsx';
import { plural } from '../format.ts';
import { Field } from '../recipe/Field.tsx';
import styles from './header.module.css';
import { RandomTaskForm } from './RandomTaskForm.tsx';

/** What judges the variants: the sample's own task, random inputs, or the user's arrays. */
export function TaskChooser() {
  const task = useStudio((state) => state.history?.present.study.task ?? null);
  const measured = useStudio((state) => state.report?.task ?? null);
  const open = useStudio((state) => state.panel === 'task');
  const model = useStudio((state) => state.model);
  const samples = useStudio((state) => state.samples);
  const { openPanel } = studio.getState();
  if (!task || !model) return null;
  const metric = measuredMetric(task, measured);
  const sample = samples?.find(({ id }) => id === model.sampleId);
  return (
    <>
      <button
        type="button"
        className={buttonClass('plain', false, `${styles.chip} ${styles.taskChip}`)}
        title={sameTask(task, measured) ? measured!.title : undefined}
        onClick={() => openPanel('task')}
      >
        <FlaskConical size={15} aria-hidden />
        <span>
          <span className={styles.chipKey}>Task:</span> {taskText(task, metric)}
        </span>
      </button>
      <Modal open={open} onClose={() => openPanel(null)} title="What judges the variants?">
        <TaskForm task={task} model={model} sample={sample} />
      </Modal>
    </>
  );
}

/** The metric is known once the task's data were loaded, and belongs to that task only. */
function measuredMetric(task: TaskRef, measured: Report['task'] | null): string | null {
  return sameTask(task, measured) ? (measured?.metrics[0]?.short ?? null) : null;
}

function sameTask(task: TaskRef, measured: Report['task'] | null): boolean {
  return measured !== null && canonicalJson(measured.ref) === canonicalJson(task);
}

/** Short, for the header: the title of the task stands over the charts. */
export function taskText(task: TaskRef, metric: string | null): string {
  if (task.kind === 'random') return plural(task.samples, 'random input');
  if (task.kind === 'files') return `your data, ${plural(task.names.length, 'file')}`;
  const samples = task.limit === undefined ? '' : `, ${plural(task.limit, 'sample')}`;
  return `${metric ?? 'the sample’s own'}${samples}`;
}

interface TaskFormProps {
  readonly task: TaskRef;
  readonly model: LoadedModel;
  readonly sample: Sample | undefined;
}

function TaskForm({ task, model, sample }: TaskFormProps) {
  const { setTask } = studio.getState();
  const chooseFiles = async () => {
    const files = await browseFiles();
    if (files) await openFiles(files);
  };
  return (
    <div className={styles.wide}>
      {sample && (
        <section>
          <TaskRadio
            checked={task.kind === 'sample-task'}
            title="The sample’s own task"
            about="Real data with labels: the metric that people use for such models."
            onChoose={() => setTask({ kind: 'sample-task', id: sample.task.id, limit: sample.quickSamples })}
          />
          {task.kind === 'sample-task' && (
            <div className={styles.indented}>
              <SampleLimit task={task} sample={sample} />
            </div>
          )}
        </section>
      )}
      <section>
        <TaskRadio
          checked={task.kind === 'random'}
          title="Random inputs"
          about="Seeded. Variants are compared with the original’s outputs: by the best class of class scores, R² of single numbers, equal labels, else by cosine similarity."
          onChoose={() => setTask(suggestRandomTask(tensorInputs(model.card), sample?.dims))}
        />
        {task.kind === 'random' && (
          <div className={styles.indented}>
            <RandomTaskForm task={task} inputs={tensorInputs(model.card)} onChange={setTask} />
          </div>
        )}
      </section>
      <section>
        <TaskRadio
          checked={task.kind === 'files'}
          title="Your own arrays"
          about="Inputs as .npy (named after the input), .npz (one array an input) or TensorProto .pb; expected outputs too, if you have them."
          onChoose={() => void chooseFiles()}
        />
        <div className={styles.indented}>
          <Button onClick={() => void chooseFiles()}>Choose files …</Button>
          {task.kind === 'files' && <p className={controls.hint}>{task.names.join(', ')}</p>}
        </div>
      </section>
    </div>
  );
}

interface TaskRadioProps {
  readonly checked: boolean;
  readonly title: string;
  readonly about: string;
  readonly onChoose: () => void;
}

function TaskRadio({ checked, title, about, onChoose }: TaskRadioProps) {
  return (
    <label className={styles.choice}>
      <input type="radio" name="task-kind" checked={checked} onChange={onChoose} />
      <span>
        <strong>{title}</strong>
        <br />
        <span className={controls.hint}>{about}</span>
      </span>
    </label>
  );
}

function SampleLimit({ task, sample }: { readonly task: TaskRef & { kind: 'sample-task' }; readonly sample: Sample }) {
  return (
    <Field
      field={{
        kind: 'number',
        key: 'limit',
        title: `Samples to evaluate, of ${sample.evaluationSamples}`,
        description: 'Fewer are quicker; more narrow the confidence interval.',
        default: sample.quickSamples,
        integer: true,
        min: 1,
        max: sample.evaluationSamples,
      }}
      value={task.limit ?? sample.evaluationSamples}
      onChange={(limit) => studio.getState().setTask({ ...task, limit: Number(limit) })}
    />
  );
}
