/**
 * The only host globals that the core may use: both exist in every browser, worker and Node version that Whittle
 * supports. Everything else (DOM, Node, timers) is kept out by `lib: ES2023, types: []`.
 */
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(input?: ArrayBufferView | ArrayBuffer): string;
}
declare class TextEncoder {
  encode(input?: string): Uint8Array<ArrayBuffer>;
}
