import { Copy } from 'lucide-react';
import { formFields } from '../../core/recipe/form.ts';
import { type Recipe, type RuntimeSettings, runtimeSettingsSchema } from '../../core/recipe/schema.ts';
import { runNeeded } from '../../state/actions/run.ts';
import { addVariant } from '../../state/actions/variants.ts';
import { setRuntime } from '../../state/recipe-edit.ts';
import type { VariantRow } from '../../state/rows.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import { Note } from '../components/Note.tsx';
import { formatBytes, formatMs, plural } from '../format.ts';
import { Field } from './Field.tsx';
import styles from './recipe.module.css';

interface RuntimeSectionProps {
  readonly recipe: Recipe;
  readonly row: VariantRow | undefined;
  readonly edit: (change: (recipe: Recipe) => Recipe, tag?: string) => void;
}

/** How onnxruntime is set up, and what its optimizer then did. */
export function RuntimeSection({ recipe, row, edit }: RuntimeSectionProps) {
  const fields = formFields(runtimeSettingsSchema);
  const packed = row?.facts?.packedWeights;
  const logs = row?.cells.flatMap(({ measurement, label }) =>
    measurement?.optimizers ? [{ label, log: measurement.optimizers }] : [],
  );
  const unknown = [...new Set(logs?.flatMap(({ log }) => log.unknownDisabled) ?? [])];
  const known = [...new Set(logs?.flatMap(({ log }) => log.known) ?? [])].sort();
  return (
    <div className={styles.runtime}>
      {fields.map((field) => (
        <Field
          key={field.key}
          field={field}
          value={recipe.runtime[field.key as keyof RuntimeSettings]}
          onChange={(value) =>
            edit(
              (current) => setRuntime(current, field.key as keyof RuntimeSettings, value as never),
              field.kind === 'string-list' ? `runtime.${field.key}` : undefined,
            )
          }
        />
      ))}
      {packed && <PackedWeights recipe={recipe} row={row!} packed={packed} />}
      {unknown.length > 0 && (
        <Note
          level="warning"
          advice="Check the spelling, level suffix included (GeluFusionL2). Names that exist are listed below."
        >
          {unknown.length === 1
            ? 'This name is no optimizer and did nothing'
            : 'These names are no optimizers and did nothing'}
          : {unknown.join(', ')}
        </Note>
      )}
      {logs?.map(({ label, log }) => (
        <p key={label} className={styles.fired}>
          <strong>{label}:</strong>{' '}
          {log.fired.length === 0
            ? 'no pass changed the graph'
            : `passes that fired: ${[...new Set(log.fired)].join(', ')}`}
        </p>
      ))}
      {known.length > 0 && (
        <details className={styles.fired}>
          <summary>{plural(known.length, 'optimizer name')} that can be switched off</summary>
          {known.join(', ')}
        </details>
      )}
    </div>
  );
}

interface PackedWeightsProps {
  readonly recipe: Recipe;
  readonly row: VariantRow;
  readonly packed: NonNullable<NonNullable<VariantRow['facts']>['packedWeights']>;
}

/** What the setting costs in memory, and on which targets the weights as they are stored were measured to cost time. */
function PackedWeights({ recipe, row, packed }: PackedWeightsProps) {
  const isExpanded = recipe.runtime.weightsAtLoad === 'dequantize';
  const busy = useStudio((state) => state.job !== null || state.opening !== null);
  // Which of the two suits a target is a matter of measuring: the other one stands beside it, in the same run.
  const measureBoth = () => {
    const other = setRuntime(recipe, 'weightsAtLoad', isExpanded ? 'as-stored' : 'dequantize');
    const name = `${recipe.name}, ${isExpanded ? 'as stored' : 'expanded at load'}`.slice(0, 120);
    if (addVariant({ ...other, name }) !== null) void runNeeded();
  };
  const slower = row.cells.filter(
    ({ latency, measurement }) => !isExpanded && measurement?.latency && latency?.difference === 'slower',
  );
  return (
    <>
      <p className={styles.fired}>
        <strong>Packed weights:</strong> {formatBytes(packed.storedBytes)} in memory as stored,{' '}
        {formatBytes(packed.expandedBytes)} expanded (predicted). The file is the same.
      </p>
      <div>
        <Button disabled={busy} onClick={measureBoth}>
          <Copy size={14} aria-hidden /> Measure it {isExpanded ? 'as stored' : 'expanded'} too
        </Button>
      </div>
      {slower.length > 0 && (
        <Note
          level="info"
          advice="Expanding them when the model loads gives about the original's speed for more memory."
        >
          Unpacking the weights in every run was measured slower than the original:{' '}
          {slower.map(({ label, measurement }) => `${label}, ${formatMs(measurement!.latency!.medianMs)}`).join('; ')}
        </Note>
      )}
    </>
  );
}
