/**
 * Every step there is. A step is a file in `passes/` or `quant/` that exports `step`; the file alone registers it.
 */
import type { StepDefinition } from '../step/define.ts';

interface StepModule {
  readonly step: StepDefinition;
}

const modules = import.meta.glob<StepModule>(['../passes/*.ts', '../quant/*.ts'], { eager: true });

function collect(): ReadonlyMap<string, StepDefinition> {
  const steps: StepDefinition[] = [];
  for (const [path, module] of Object.entries(modules)) {
    if (!module.step) throw new Error(`${path} must export \`step\`; helpers belong in a sub-folder.`);
    steps.push(module.step);
  }
  steps.sort((a, b) => a.order - b.order || (a.id < b.id ? -1 : 1));
  const byId = new Map<string, StepDefinition>();
  for (const step of steps) {
    if (byId.has(step.id)) throw new Error(`Two steps have the id ${step.id}.`);
    byId.set(step.id, step);
  }
  return byId;
}

/** All steps by id, in canonical order. */
export const stepRegistry: ReadonlyMap<string, StepDefinition> = collect();
