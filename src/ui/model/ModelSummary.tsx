import { Box } from 'lucide-react';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import { Note } from '../components/Note.tsx';
import { formatBytes, formatCompact, formatCount, formatShape } from '../format.ts';
import styles from './model.module.css';

/** The model in a few lines; the whole card is a click away. */
export function ModelSummary() {
  const model = useStudio((state) => state.model);
  if (!model) return null;
  const { card } = model;
  return (
    <section className={styles.summary} aria-label="Model">
      <header className={styles.head}>
        <Box size={16} aria-hidden />
        <h2 title={model.name}>{model.title}</h2>
        <Button look="quiet" onClick={() => studio.getState().openPanel('model')}>
          Details
        </Button>
      </header>
      <dl className={styles.facts}>
        <dt>File</dt>
        <dd>{formatBytes(model.fileBytes)}</dd>
        <dt>Size</dt>
        <dd>
          {formatCompact(card.weights.parameters)} parameters, {formatCount(card.nodes.all)} nodes
        </dd>
        <dt>{card.inputs.length === 1 ? 'Input' : 'Inputs'}</dt>
        <dd>
          {card.inputs.slice(0, 3).map(({ name, dtype, shape }) => (
            <div key={name} className={styles.value} title={`${name}: ${dtype} ${formatShape(shape)}`}>
              {name} <span>{formatShape(shape)}</span>
            </div>
          ))}
          {card.inputs.length > 3 && <div>and {card.inputs.length - 3} more</div>}
        </dd>
      </dl>
      {card.warnings.map(({ text, advice }) => (
        <Note key={text} level="warning" advice={advice}>
          {text}
        </Note>
      ))}
    </section>
  );
}
