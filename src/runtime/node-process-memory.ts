/** Growth of this process's resident set since a moment. */
import { readFileSync, writeFileSync } from 'node:fs';

/** Readers that are alive: with several at once nobody can say whose growth it was. */
let readers = 0;
let overlaps = 0;

export interface ProcessMemoryReader {
  /** null when other sessions shared the process meanwhile. */
  peakGrowthBytes(): number | null;
  close(): void;
}

export function startProcessMemoryReader(): ProcessMemoryReader {
  readers += 1;
  if (readers > 1) overlaps += 1;
  const overlapsBefore = overlaps;
  let shared = readers > 1;
  let closed = false;
  resetPeak();
  const before = process.memoryUsage.rss();
  return {
    peakGrowthBytes() {
      shared ||= overlaps !== overlapsBefore;
      return shared ? null : Math.max(0, peakBytes() - before);
    },
    close() {
      if (closed) return;
      closed = true;
      readers -= 1;
    },
  };
}

/** Linux can forget the peak so far (proc(5), clear_refs); elsewhere the peak since the process began is all there is. */
function resetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Not Linux, or not allowed.
  }
}

function peakBytes(): number {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    if (kilobytes) return Number(kilobytes[1]) * 1024;
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}
