import { Plus, Search } from 'lucide-react';
import { useDeferredValue, useId, useMemo, useState } from 'react';
import type { SensitivityResult } from '../../core/precision/results.ts';
import { stepRegistry } from '../../core/recipe/registry.ts';
import { MAX_VARIANTS } from '../../core/study/schema.ts';
import { runNeeded } from '../../state/actions/run.ts';
import { addVariant, reportProblem } from '../../state/actions/variants.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { formatBytes, formatDelta, plural } from '../format.ts';
import styles from './layers.module.css';
import { CANDIDATE_TITLES, formatLoss, type MixturePoint, mixtureCurve } from './sensitivity-data.ts';

/** Steps that store weights in blocks with bits for single layers. */
const METHODS = [...stepRegistry.values()].filter(
  ({ params }) => 'bits' in params.shape && 'overrides' in params.shape,
);

/** Bits for each layer that lose least for a size: chosen by a slider, added as a variant, judged by a run. */
export function MixtureMaker({ result }: { readonly result: SensitivityResult }) {
  const curve = useMemo(() => mixtureCurve(result), [result]);
  const [share, setShare] = useState(0.35);
  const [method, setMethod] = useState(METHODS[0]?.id ?? '');
  const full = useStudio((state) => (state.history?.present.ids.length ?? 0) >= MAX_VARIANTS);
  const busy = useStudio((state) => state.job !== null || state.opening !== null);
  const id = useId();
  const at = useDeferredValue(share);
  const point = useMemo(
    () => curve?.within(curve.smallestBytes + at * (curve.largestBytes - curve.smallestBytes)),
    [curve, at],
  );
  if (!curve || !point || METHODS.length === 0) return null;
  const add = () => {
    try {
      if (addVariant(point.recipe(method)) !== null) void runNeeded();
    } catch (error) {
      reportProblem(error);
    }
  };
  return (
    <fieldset className={styles.maker} aria-labelledby={`${id}-title`}>
      <h3 id={`${id}-title`}>Make a mixed-precision variant</h3>
      <div className={styles.bar}>
        <div className={styles.slider}>
          <label className={controls.label} htmlFor={`${id}-size`}>
            Target size: {formatBytes(point.bytes)} ({formatDelta(point.bytes / result.modelBytes - 1)})
          </label>
          <input
            id={`${id}-size`}
            type="range"
            min={0}
            max={1}
            step={0.01}
            value={share}
            aria-valuetext={mixtureText(point)}
            onChange={(event) => setShare(Number(event.target.value))}
          />
        </div>
        {METHODS.length > 1 && (
          <div className={controls.field}>
            <label className={controls.label} htmlFor={`${id}-method`}>
              Method
            </label>
            <select
              id={`${id}-method`}
              className={controls.select}
              value={method}
              onChange={(event) => setMethod(event.target.value)}
            >
              {METHODS.map((step) => (
                <option key={step.id} value={step.id}>
                  {step.title}
                </option>
              ))}
            </select>
          </div>
        )}
        <Button look="primary" disabled={full || busy} onClick={add}>
          <Plus size={15} aria-hidden /> Add and run it
        </Button>
        <Button onClick={() => studio.getState().openPanel('search')}>
          <Search size={15} aria-hidden /> Smallest within the gate …
        </Button>
      </div>
      <p className={controls.hint}>
        {mixtureText(point)}. Size and loss are predicted from each layer alone; the run measures the whole.
        {full && ` There are ${MAX_VARIANTS} variants already: delete one to make room.`}
      </p>
    </fieldset>
  );
}

function mixtureText({ bytes, loss, counts }: MixturePoint): string {
  const parts = counts.map(
    ({ candidate, layers }) =>
      `${plural(layers, 'layer')}: ${candidate === 'keep' ? 'kept' : CANDIDATE_TITLES[candidate]}`,
  );
  return `${formatBytes(bytes)}, sum of losses ${formatLoss(loss)}; ${parts.join(', ')}`;
}
