/** What a change inside a model does to its outputs. */
import { StudioError } from '../base/errors/index.ts';
import { agreementTerms, classAgreement, classKind, classOutputs } from '../eval/agreement.ts';
import { numbersOf } from '../eval/host-tensors.ts';
import type { Feeds } from '../eval/types.ts';
import type { SensitivityPoint, SensitivityResult } from './results.ts';

export type LossKind = SensitivityResult['lossKind'];

/** Of outputs that are not finite where the original's are: JSON has no infinity. */
const BROKEN_LOSS = 1e9;

/** Which outputs are judged, and how: class scores where there are any, else every output. */
export interface LossRule {
  readonly kind: LossKind;
  readonly outputs: readonly string[];
}

/** @param references outputs of the original, by sample */
export function lossRule(references: readonly Feeds[], floatOutputs: readonly string[]): LossRule {
  const classes = classOutputs(references).filter((name) => floatOutputs.includes(name));
  return classes.length > 0 ? { kind: 'kl', outputs: classes } : { kind: 'relative-error', outputs: floatOutputs };
}

/** Adds up over samples. */
export class LossSheet {
  readonly #rule: LossRule;
  #divergence = 0;
  #sameTop = 0;
  #rows = 0;
  readonly #errors = new Map<string, { error: number; expected: number }>();
  #isBroken = false;

  constructor(rule: LossRule) {
    this.#rule = rule;
  }

  /** @throws StudioError calib/missing-value where an output is missing or has another size */
  add(got: Feeds, reference: Feeds): void {
    for (const name of this.#rule.outputs) {
      const [x, y] = [got.get(name), reference.get(name)];
      const [a, b] = [x && numbersOf(x), y && numbersOf(y)];
      if (!a || !b || a.length !== b.length) throw new StudioError('calib/missing-value', { tensor: name });
      if (this.#rule.kind === 'kl') {
        const kind = classKind(name, y!);
        if (kind === 'none') continue;
        const { divergence, sameTop, rows } = classAgreement(a, b, y!.dims.at(-1)!, kind);
        this.#divergence += divergence;
        this.#sameTop += sameTop;
        this.#rows += rows;
      } else {
        const terms = agreementTerms(a, b);
        this.#isBroken ||= terms.notFinite > 0;
        const sum = this.#errors.get(name) ?? { error: 0, expected: 0 };
        this.#errors.set(name, {
          error: sum.error + terms.errorSquares,
          expected: sum.expected + terms.expectedSquares,
        });
      }
    }
  }

  figures(): Pick<SensitivityPoint, 'loss' | 'agreement'> {
    if (this.#rule.kind === 'kl') {
      const rows = Math.max(1, this.#rows);
      return { loss: this.#divergence / rows, agreement: this.#sameTop / rows };
    }
    const shares = [...this.#errors.values()].map(({ error, expected }) =>
      error === 0 ? 0 : Math.min(BROKEN_LOSS, error / Math.max(expected, 1e-30)),
    );
    const mean = shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length);
    return { loss: this.#isBroken ? BROKEN_LOSS : mean, agreement: null };
  }
}
