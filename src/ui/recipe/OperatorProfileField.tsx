import {
  type OperatorProfile,
  operatorProfileHelp,
  operatorProfileOf,
  operatorProfiles,
  operatorProfileTitles,
  withOperatorProfile,
} from '../../core/recipe/operator-profile.ts';
import type { Recipe } from '../../core/recipe/schema.ts';
import { Field } from './Field.tsx';
import styles from './recipe.module.css';

interface OperatorProfileFieldProps {
  readonly recipe: Recipe;
  readonly edit: (change: (recipe: Recipe) => Recipe) => void;
}

const MIXED = 'mixed';

/** Which operators all fusions may make: sets the parameter of that name in every step. */
export function OperatorProfileField({ recipe, edit }: OperatorProfileFieldProps) {
  const current = operatorProfileOf(recipe);
  const options = current === undefined ? [...operatorProfiles, MIXED] : operatorProfiles;
  return (
    <div className={styles.runtime}>
      <Field
        field={{
          kind: 'enum',
          key: 'operator-profile',
          title: 'Operators of all fusions',
          description: operatorProfileHelp,
          default: 'onnxruntime',
          options,
          optionTitles: { ...operatorProfileTitles, [MIXED]: 'by each step' },
        }}
        value={current ?? MIXED}
        onChange={(value) => {
          if (value !== MIXED) edit((before) => withOperatorProfile(before, value as OperatorProfile));
        }}
      />
    </div>
  );
}
