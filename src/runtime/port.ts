/**
 * The one door to a runtime. `ort-web.ts` and `node-ort.ts` are behind it; nothing else imports onnxruntime.
 */
import type { HostTensor } from '../core/step/define.ts';
import type { SessionOptions, ValueMeta } from '../core/study/ports.ts';
import type { OptimizerLog, Placement } from '../core/study/results.ts';

/** A model as a runtime takes it. Blobs are read by the runtime itself, straight into its own memory. */
export interface RuntimeModel {
  readonly graph: Uint8Array;
  readonly externalData: readonly { readonly path: string; readonly data: Uint8Array | Blob }[];
}

export interface Session {
  readonly inputs: readonly ValueMeta[];
  readonly outputs: readonly ValueMeta[];
  readonly threads: number;
  /** What the runtime's own creation call took; loading and starting the runtime itself is not in it. */
  readonly createMs: number;
  readonly placement: Placement | null;
  readonly optimizers: OptimizerLog | null;
  /** @throws StudioError runtime/run-failed and its relatives */
  run(feeds: ReadonlyMap<string, HostTensor>): Promise<ReadonlyMap<string, HostTensor>>;
  /**
   * Ends the profile of a session that was created with `profile`, and hands over its lines (see core/profile).
   * @throws StudioError runtime/run-failed
   */
  endProfile(onLine: (line: string) => void): Promise<void>;
  release(): Promise<void>;
}

export interface SessionPort {
  readonly engine: { readonly name: 'onnxruntime-web' | 'onnxruntime-node'; readonly version: string };
  /** @throws StudioError runtime/create-failed and its relatives */
  create(model: RuntimeModel, options: SessionOptions): Promise<Session>;
}
