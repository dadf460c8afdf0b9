/**
 * One line of onnxruntime's profile (Chrome's trace event format, as onnxruntime 1.30's profiler writes it: a JSON
 * array, one event a line, keys in any order). Whatever a line holds, reading it never throws.
 */
import type { TraceValue } from './types.ts';

export type TraceEvent =
  | {
      readonly kind: 'node';
      readonly name: string;
      readonly ts: number;
      readonly dur: number;
      readonly index: number | null;
      readonly opType: string;
      readonly provider: string;
      readonly args: Readonly<Record<string, unknown>>;
    }
  /** A GPU program that a node ran: `<node>&<op>&<program>`, times by the device's timestamps. */
  | { readonly kind: 'gpu'; readonly node: string; readonly opType: string; readonly ts: number; readonly dur: number }
  /** The end of a run. */
  | { readonly kind: 'run'; readonly ts: number; readonly dur: number }
  /** Loading, the executor itself, brackets of the array. */
  | { readonly kind: 'other' }
  | { readonly kind: 'unreadable' };

const KERNEL_SUFFIX = '_kernel_time';
/** No event comes near it; more would be something else's output. */
const LONGEST_LINE = 1 << 22;

/** Whether a line of a shared console is (the beginning of) an event or a bracket of the array of events. */
export function isTraceLine(line: string): boolean {
  return line.startsWith('{"cat"') || line === '[' || line === ']';
}

export function readTraceLine(line: string): TraceEvent {
  const text = line.trim().replace(/,$/, '');
  if (text === '' || text === '[' || text === ']') return { kind: 'other' };
  if (text.length > LONGEST_LINE) return { kind: 'unreadable' };
  let event: unknown;
  try {
    event = JSON.parse(text);
  } catch {
    return { kind: 'unreadable' };
  }
  if (!isRecord(event) || typeof event.name !== 'string') return { kind: 'unreadable' };
  const { cat, name } = event;
  const [ts, dur] = [finite(event.ts), finite(event.dur)];
  if (ts === null || dur === null || dur < 0) return { kind: 'unreadable' };
  if (cat === 'Session') return name === 'model_run' ? { kind: 'run', ts, dur } : { kind: 'other' };
  if (cat === 'Node') return nodeEvent(name, ts, dur, isRecord(event.args) ? event.args : {});
  if (cat === 'Api') return gpuEvent(name, ts, dur);
  return { kind: 'other' };
}

function nodeEvent(name: string, ts: number, dur: number, args: Record<string, unknown>): TraceEvent {
  // Older versions also time the fences around a kernel.
  if (!name.endsWith(KERNEL_SUFFIX)) return { kind: 'other' };
  return {
    kind: 'node',
    name: name.slice(0, -KERNEL_SUFFIX.length),
    ts,
    dur,
    index: numberIn(args.node_index),
    opType: typeof args.op_name === 'string' ? args.op_name : '?',
    provider: typeof args.provider === 'string' ? args.provider : '?',
    args,
  };
}

/** Node names may contain `&` themselves; operators and programs do not. */
function gpuEvent(name: string, ts: number, dur: number): TraceEvent {
  const program = name.lastIndexOf('&');
  const op = name.lastIndexOf('&', program - 1);
  if (program <= 0 || op < 0) return { kind: 'other' };
  return { kind: 'gpu', node: name.slice(0, op), opType: name.slice(op + 1, program), ts, dur };
}

/** A byte count or index: the profiler writes them as text. @returns null for anything else */
export function numberIn(value: unknown): number | null {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value : null;
  return typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : null;
}

/** `[{"float":[1,3,48,192]}, {"uint8":[]}]`; what is not of this form is left out. */
export function traceValues(value: unknown): TraceValue[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry) => {
    if (!isRecord(entry)) return [];
    const [pair] = Object.entries(entry);
    if (!pair || !Array.isArray(pair[1])) return [];
    const dims = pair[1].map(Number);
    return dims.every((dim) => Number.isFinite(dim) && dim >= 0) ? [{ type: pair[0], dims }] : [];
  });
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const finite = (value: unknown): number | null => (typeof value === 'number' && Number.isFinite(value) ? value : null);
