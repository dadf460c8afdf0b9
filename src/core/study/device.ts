/** A device in a few words, for those who were not there: "Chrome 156 on Linux, 8 logical cores, GPU nvidia ampere". */
import type { Environment } from './results.ts';

export function describeDevice({ host, userAgent, logicalCores, webgpuAdapter }: Environment): string {
  const cores = `${logicalCores} logical core${logicalCores === 1 ? '' : 's'}`;
  // The command line writes its version, system and processor itself.
  const program = host === 'node' ? userAgent : browserAndSystem(userAgent);
  return [program, cores, webgpuAdapter ? `GPU ${webgpuAdapter}` : ''].filter(Boolean).join(', ');
}

/** In this order: the later names are part of the earlier browsers' user agents too. */
const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/\bEdg(?:A|iOS)?\/(\d+)/, 'Edge'],
  [/\bOPR\/(\d+)/, 'Opera'],
  [/\bSamsungBrowser\/(\d+)/, 'Samsung Internet'],
  [/\b(?:Firefox|FxiOS)\/(\d+)/, 'Firefox'],
  [/\b(?:Headless)?Chrome\/(\d+)/, 'Chrome'],
  [/\bCriOS\/(\d+)/, 'Chrome'],
  [/\bVersion\/(\d+)[\d.]*.* Safari\//, 'Safari'],
];

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/\biPhone\b/, 'iOS'],
  [/\biPad\b/, 'iPadOS'],
  [/\bAndroid\b/, 'Android'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b|\bMacintosh\b/, 'macOS'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b/, 'Linux'],
];

function browserAndSystem(userAgent: string): string {
  const browser = BROWSERS.flatMap(([pattern, name]) => {
    const version = pattern.exec(userAgent)?.[1];
    return version ? [`${name} ${version}`] : [];
  })[0];
  const system = SYSTEMS.find(([pattern]) => pattern.test(userAgent))?.[1];
  if (!browser && !system) return userAgent.trim().slice(0, 60) || 'an unknown browser';
  return [browser ?? 'a browser', system].filter(Boolean).join(' on ');
}
