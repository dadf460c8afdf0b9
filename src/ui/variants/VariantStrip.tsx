import { Plus } from 'lucide-react';
import { MAX_VARIANTS } from '../../core/study/schema.ts';
import { addFastest, addVariant } from '../../state/actions/variants.ts';
import { selectFastest } from '../../state/fastest.ts';
import { presetGroups } from '../../state/preset-groups.ts';
import { selectComparison } from '../../state/rows.ts';
import { selectSender } from '../../state/sender.ts';
import { useStudio } from '../../state/use-studio.ts';
import { ActionMenu } from '../components/ActionMenu.tsx';
import { buttonClass } from '../components/Button.tsx';
import { VariantCard } from './VariantCard.tsx';
import styles from './variants.module.css';

export function VariantStrip() {
  const { rows, metrics } = useStudio(selectComparison);
  const selectedId = useStudio((state) => state.selectedId);
  const sender = useStudio(selectSender);
  const [baseline] = rows;
  if (!baseline) return null;
  const full = rows.length >= MAX_VARIANTS;
  return (
    <section className={styles.strip} aria-label="Variants">
      {rows.map((row) => (
        <VariantCard
          key={row.id}
          row={row}
          baseline={baseline}
          metric={metrics[0]}
          count={rows.length}
          selected={row.id === selectedId}
          full={full}
          sender={sender}
        />
      ))}
      {!full && <AddVariant />}
    </section>
  );
}

const groups = presetGroups();

function AddVariant() {
  const fastest = useStudio(selectFastest);
  return (
    <ActionMenu
      heading="Add a variant from a preset"
      trigger={
        <button type="button" className={buttonClass('plain', false, styles.add)}>
          <Plus size={16} /> Variant
        </button>
      }
      actions={
        fastest
          ? [
              {
                key: 'fastest',
                label: 'Fastest here',
                hint: `A guess before measuring: ${fastest.reason}.`,
                run: () => addFastest(fastest),
              },
            ]
          : []
      }
      groups={groups.map(({ title, presets }) => ({
        title,
        actions: presets.map(({ id, title: label, description, recipe }) => ({
          key: id,
          label,
          hint: description,
          run: () => void addVariant(recipe),
        })),
      }))}
    />
  );
}
