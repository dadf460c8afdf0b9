/** Which weights a weight-only step quantizes, each with how many bits, and who decided. */
import type { ShapeTable } from '../../shape/types.ts';
import { layerOverrides } from './layer-overrides.ts';
import { selectLinearSites } from './linear-selection.ts';
import type { LinearSite, SkippedSite } from './linear-sites.ts';
import { kMixture, type MixtureRole, moreBits } from './mixture.ts';
import type { NBitsScheme } from './nbits-parameters.ts';
import type { Scope } from './scopes.ts';
import type { WeightOnlySettings } from './weight-only-params.ts';
import { weightKey } from './weights.ts';

/** How a weight is to be stored: bits (3 means codes of 3 bits), zero points or none, scale type, block size. */
export interface WeightScheme extends NBitsScheme {
  readonly blockSize: number;
}

/** One stored weight and every layer that reads it in the same way with the same scheme: it is quantized once. */
export interface PlannedWeight {
  readonly sites: readonly [LinearSite, ...LinearSite[]];
  readonly scheme: WeightScheme;
  readonly chosenBy: 'settings' | 'override' | MixtureRole;
}

export interface WeightOnlyPlan {
  /** In graph order of their first readers. */
  readonly weights: readonly PlannedWeight[];
  readonly skipped: readonly SkippedSite[];
}

/**
 * Overrides go before everything else, also before the last layer's being kept, then the mixture, then the bits that
 * are set for all. The patterns of the settings choose the nodes in the first place.
 */
export function planWeightOnly(
  scopes: readonly Scope[],
  settings: WeightOnlySettings,
  shapes?: ShapeTable,
): WeightOnlyPlan {
  const { all, sites, kept, skipped } = selectLinearSites(scopes, settings, shapes);
  const overrideOf = layerOverrides(settings.overrides);
  const mixture = settings.mixture === 'k-m' ? kMixture(all) : new Map<LinearSite, MixtureRole>();
  const planned = new Map<string, Omit<PlannedWeight, 'sites'> & { readonly sites: [LinearSite, ...LinearSite[]] }>();
  const left: SkippedSite[] = [...skipped];
  for (const site of sites) {
    const override = overrideOf(site.node);
    if (override === 'keep' || (site === kept && override === undefined)) continue;
    const { dtype } = site.weight.tensor;
    if (dtype !== 'float32' && dtype !== 'float16') {
      // MatMulNBits has no float64 or bfloat16 scales.
      left.push({ node: site.node, reason: `its weight is ${dtype}` });
      continue;
    }
    const role = mixture.get(site);
    const bits = override ?? (role ? moreBits(settings.bits) : settings.bits);
    const key = `${weightKey(site.weight)}/${site.order}/${bits}`;
    const { symmetric, blockSize } = settings;
    const same = planned.get(key);
    if (same) same.sites.push(site);
    else
      planned.set(key, {
        sites: [site],
        scheme: { bits, symmetric, blockSize, scaleType: dtype },
        chosenBy: override ? 'override' : (role ?? 'settings'),
      });
  }
  return { weights: [...planned.values()], skipped: left };
}
