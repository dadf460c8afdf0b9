/**
 * onnxruntime tells where nodes went and which passes fired only through its log, which the WebAssembly glue writes to
 * the console methods it finds when it is loaded. So: install once, before the glue is imported, and listen later.
 */
import { severityOf } from './ort-log.ts';

export interface LogCapture {
  /** Runs the action and returns the lines that onnxruntime logged meanwhile. Captures do not nest. */
  during<T>(action: () => Promise<T>): Promise<{ readonly value: T; readonly lines: readonly string[] }>;
  /** Runs the action and hands over every line; those for which `onLine` returns true are neither kept nor shown. */
  each(action: () => void | Promise<void>, onLine: (line: string) => boolean): Promise<void>;
}

const methods = ['log', 'info', 'warn', 'error', 'debug'] as const;

let installed: LogCapture | undefined;

/** Replaces the console's methods for good: onnxruntime's lines go to the capture, everything else passes through. */
export function installConsoleCapture(): LogCapture {
  if (installed) return installed;
  const sink = lineSink();
  const target = globalThis.console;
  for (const method of methods) {
    const original = target[method].bind(target);
    target[method] = (...args: unknown[]) => {
      if (!sink.take(args.map(String).join(' '))) original(...args);
    };
  }
  installed = { during: sink.during, each: sink.each };
  return installed;
}

/** The part without a host: collects lines while somebody listens and says which ones need not be shown. */
export function lineSink(): LogCapture & { take(text: string): boolean } {
  let listening: string[] | undefined;
  let onEach: ((line: string) => boolean) | undefined;
  return {
    take(text) {
      const lines = text.split('\n');
      if (onEach && lines.map(onEach).every(Boolean)) return true;
      listening?.push(...lines);
      const severity = severityOf(lines[0]!);
      return severity === 'V' || severity === 'I' || (listening !== undefined && severity !== undefined);
    },
    async during(action) {
      const lines: string[] = [];
      listening = lines;
      try {
        return { value: await action(), lines };
      } finally {
        listening = undefined;
      }
    },
    async each(action, onLine) {
      onEach = onLine;
      try {
        await action();
      } finally {
        onEach = undefined;
      }
    },
  };
}
