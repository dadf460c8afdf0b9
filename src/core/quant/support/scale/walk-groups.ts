/** Sampling the inputs of groups of layers, and deciding on each group while its sample is in memory. */
import { throwIfCancelled } from '../../../base/cancel.ts';
import { StudioError } from '../../../base/errors/index.ts';
import type { ChannelSample } from '../../../calib/channel-sample.ts';
import { walkLayers } from '../../../calib/layer-walk.ts';
import type { StepContext } from '../../../step/define.ts';
import { adviseCalibrated, calibrationOf } from '../calibration.ts';
import type { ScaleGroup } from './scale-groups.ts';

export interface GroupWalk<P extends { readonly group: ScaleGroup }> {
  /** Title of the step. */
  readonly step: string;
  readonly plans: readonly P[];
  readonly maxSamples: number;
  readonly sampleOf: (plan: P) => ChannelSample;
  /** Called when the group's value has been seen in all samples; the sample is given up afterwards. */
  readonly decide: (plan: P, sample: ChannelSample) => Promise<void>;
}

/** @throws StudioError calib/no-data, calib/too-few-samples, pass/refused, job/cancelled; see walkLayers */
export async function walkGroups<P extends { readonly group: ScaleGroup }>(
  ctx: StepContext,
  { step, plans, maxSamples, sampleOf, decide }: GroupWalk<P>,
): Promise<void> {
  const { source, executor } = calibrationOf(ctx, step);
  const byRoot = new Map<string, P[]>();
  for (const plan of plans) byRoot.set(plan.group.root, [...(byRoot.get(plan.group.root) ?? []), plan]);
  const seen = new Map<P, ChannelSample>();
  const { samples } = await walkLayers({
    model: ctx.model,
    executor,
    source,
    wanted: byRoot.keys(),
    mode: 'read',
    job: ctx,
    store: ctx.store,
    maxSamples,
    visitor: {
      observe: ({ name, sample, dims, values }) => {
        for (const plan of byRoot.get(name)!) {
          const rows = seen.get(plan) ?? sampleOf(plan);
          seen.set(plan, rows);
          rows.observe(values, dims, plan.group.axis, sample);
        }
      },
      leave: async ({ values }) => {
        for (const name of values)
          for (const plan of byRoot.get(name) ?? []) {
            throwIfCancelled(ctx.signal);
            await ctx.yield();
            const sample = seen.get(plan)!;
            if (sample.seen === 0)
              throw new StudioError('calib/too-few-samples', { tensor: name, count: 0, needed: 1 });
            await decide(plan, sample);
            seen.delete(plan);
          }
      },
    },
  });
  adviseCalibrated(ctx, source.origin, samples);
}
