import { Check, X } from 'lucide-react';
import type { Capabilities, Feature } from '../../runtime/capabilities.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Bubble } from '../components/Bubble.tsx';
import { buttonClass } from '../components/Button.tsx';
import { formatBytes, plural } from '../format.ts';
import styles from './status.module.css';

/** The one line of what this browser can do, and behind it the whole list with reasons. */
export function CapabilityButton() {
  const capabilities = useStudio((state) => state.capabilities);
  if (!capabilities) return <span className={styles.capabilities}>Looking at this browser …</span>;
  return (
    <Bubble
      title="What this browser can do"
      align="end"
      trigger={
        <button type="button" className={buttonClass('quiet', false, styles.capabilities)}>
          {capabilityLine(capabilities)}
        </button>
      }
    >
      <CapabilityList capabilities={capabilities} />
    </Bubble>
  );
}

/** "WASM 2 threads, SIMD | WebGPU: nvidia ampere, f16 no". */
export function capabilityLine(capabilities: Capabilities): string {
  const { threads, simd, webgpu, float16Shaders, webnn } = capabilities;
  const wasm = `WASM ${threads.available ? plural(threads.automatic, 'thread') : '1 thread'}${simd.available ? ', SIMD' : ''}`;
  const gpu = webgpu.adapter
    ? `WebGPU: ${adapterName(webgpu.adapter)}, f16 ${float16Shaders.available ? 'yes' : 'no'}`
    : 'WebGPU: no';
  return [wasm, gpu, ...(webnn.available ? ['WebNN'] : [])].join(' | ');
}

function adapterName({
  vendor,
  architecture,
  description,
  isFallback,
}: NonNullable<Capabilities['webgpu']['adapter']>) {
  const name = description || [vendor, architecture].filter(Boolean).join(' ') || 'adapter';
  return isFallback ? `${name} (software)` : name;
}

export function CapabilityList({ capabilities }: { readonly capabilities: Capabilities }) {
  const { webgpu } = capabilities;
  const rows: readonly (readonly [string, Feature, (string | undefined)?])[] = [
    ['Cross-origin isolated', capabilities.crossOriginIsolated, 'needed for threads and precise timers'],
    [
      'WASM threads',
      capabilities.threads,
      `${plural(capabilities.threads.automatic, 'thread')} chosen, ${plural(capabilities.logicalCores, 'logical core')}`,
    ],
    ['WASM SIMD', capabilities.simd],
    ['Relaxed SIMD', capabilities.relaxedSimd],
    ['WebGPU', webgpu, webgpu.adapter ? adapterName(webgpu.adapter) : undefined],
    ['16-bit floats in shaders', capabilities.float16Shaders],
    ['GPU timestamps', capabilities.timestampQuery],
    ['WebNN', capabilities.webnn],
    ['Private file system', capabilities.opfs, 'keeps models over a reload'],
  ];
  return (
    <>
      <h2 className={styles.heading}>What this browser can do</h2>
      <dl className={styles.list}>
        {rows.map(([name, feature, detail]) => (
          <Row key={name} name={name} feature={feature} detail={detail} />
        ))}
      </dl>
      {webgpu.adapter && (
        <p className={styles.elapsed} style={{ marginTop: 8, whiteSpace: 'normal' }}>
          Largest GPU buffer {formatBytes(webgpu.adapter.limits.maxBufferSizeBytes)}.
          {webgpu.adapter.isFallback && ' This adapter renders in software: results are right, latencies say nothing.'}
        </p>
      )}
    </>
  );
}

function Row({ name, feature, detail }: { name: string; feature: Feature; detail: string | undefined }) {
  const Icon = feature.available ? Check : X;
  return (
    <>
      <dt>{name}</dt>
      <dd className={styles.answer}>
        <Icon size={14} aria-hidden style={{ verticalAlign: '-2px' }} /> {feature.available ? 'yes' : 'no'}
      </dd>
      <dd className={styles.reason}>{feature.available ? (detail ?? feature.reason ?? '') : feature.reason}</dd>
    </>
  );
}
