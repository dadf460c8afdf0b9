// A hundred thousand nodes, and names made to be slow: reading, mapping and comparing must stay linear.
import { expect, test } from 'vitest';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { profileOf } from '../../../../src/core/profile/profile.ts';
import { TraceReader } from '../../../../src/core/profile/trace-reader.ts';
import { compareNodes } from '../../../../src/core/study/profile-compare.ts';

const COUNT = 100_000;

/** Every third node runs as it is, every third under a name of the runtime's, the rest not at all. */
function traceLines(long: string): string[] {
  const lines: string[] = [];
  for (let run = 0; run < 2; run += 1) {
    for (let index = 0; index < COUNT; index += 1) {
      if (index % 3 === 2) continue;
      const name = index % 3 === 0 ? `node_${index}` : `node_${index}/SomeFusion/${long}`;
      lines.push(
        `{"cat" : "Node","dur" :${index % 9},"ts" :${index},"name" :"${name}_kernel_time","args" : {"op_name" : "Neg","node_index" : "${index}","provider" : "CPUExecutionProvider"}},`,
      );
    }
    lines.push(`{"cat" : "Session","dur" :500000,"ts" :${run},"name" :"model_run","args" : {}},`);
  }
  return lines;
}

test('a profile of 100,000 nodes is read, traced back and compared in seconds', { timeout: 60_000 }, () => {
  const model = makeModel({
    graph: makeGraph({
      nodes: Array.from({ length: COUNT }, (_, index) =>
        makeNode({ opType: 'Neg', inputs: [`v${index}`], outputs: [`v${index + 1}`], name: `node_${index}` }),
      ),
      inputs: [valueInfo('v0', 'float32', [4])],
      outputs: [valueInfo(`v${COUNT}`, 'float32', [4])],
    }),
  });
  const lines = traceLines('a_b/c.'.repeat(40));
  const started = process.cpuUsage();
  const reader = new TraceReader();
  for (const line of lines) reader.take(line);
  const profile = profileOf({ trace: reader.finish(), model, inputShapes: { v0: [4] }, warmupRuns: 1 });
  expect(profile.nodes).toHaveLength(Math.ceil((COUNT * 2) / 3));
  expect(profile.nodes.every(({ fileNodes }) => fileNodes.length > 0)).toBe(true);
  expect(profile.notRun.absorbed + profile.notRun.untraced).toBe(Math.floor(COUNT / 3));
  expect(compareNodes(profile, profile)).toHaveLength(profile.nodes.length);
  // Of the processor: what else runs on this machine is not counted. Quadratic work would take minutes.
  expect(process.cpuUsage(started).user / 1000).toBeLessThan(20_000);
});
