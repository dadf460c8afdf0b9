import { describe, expect, test } from 'vitest';
import { lineSink } from '../../../src/runtime/console-capture.ts';
import { liveNamesIn, parseOptimizers, parsePlacement } from '../../../src/runtime/ort-log.ts';
import { threadCount } from '../../../src/runtime/threads.ts';

/** As onnxruntime-web 1.30 writes it. */
const line = (severity: string, place: string, text: string) =>
  `2026-11-23 18:15:29.278039 [${severity}:onnxruntime:, ${place}] ${text}`;
const placed = (text: string) => line('V', 'session_state.cc:1377 VerifyEachNodeIsAssignedToAnEp', text);
const applied = (name: string, modified: 0 | 1) =>
  line('I', 'graph_transformer.cc:15 Apply', `GraphTransformer ${name} modified: ${modified} with status: OK`);

describe('placement', () => {
  test('over two providers, with copies and missing kernels', () => {
    const lines = [
      line(
        'W',
        'webgpu_execution_provider.cc:9 GetCapability',
        'webgpu kernel not found in registries for Op type: QuantizeLinear node name: q',
      ),
      placed('Node placements'),
      placed(' Node(s) placed on [CPUExecutionProvider]. Number of nodes: 1'),
      placed('  QuantizeLinear (quantize (odd) name)'),
      placed(' Node(s) placed on [WebGpuExecutionProvider]. Number of nodes: 4'),
      placed('  Relu (a)'),
      placed('  Relu (b)'),
      placed('  MemcpyToHost (Memcpy)'),
      placed('  MemcpyFromHost ()'),
      line('V', 'elsewhere.cc:1 Other', '  Conv (is not a placement)'),
    ];
    expect(parsePlacement(lines)).toEqual({
      providers: [
        { provider: 'CPUExecutionProvider', nodes: 1, opTypes: { QuantizeLinear: 1 } },
        { provider: 'WebGpuExecutionProvider', nodes: 4, opTypes: { Relu: 2, MemcpyToHost: 1, MemcpyFromHost: 1 } },
      ],
      copies: 2,
      missingKernels: ['QuantizeLinear'],
    });
  });

  test('all on one provider, which lists no nodes', () => {
    const lines = [
      placed('Node placements'),
      placed(' All nodes placed on [CPUExecutionProvider]. Number of nodes: 353'),
    ];
    expect(parsePlacement(lines)!.providers).toEqual([{ provider: 'CPUExecutionProvider', nodes: 353, opTypes: {} }]);
  });

  test('unknown without a verbose log', () => {
    expect(parsePlacement([])).toBeNull();
  });
});

describe('optimizers', () => {
  const lines = [applied('ConstantFolding', 1), applied('MatMulAddFusion', 0), applied('ConstantFolding', 1)];

  test('in order of firing, each once', () => {
    expect(parseOptimizers(lines, [], []).fired).toEqual(['ConstantFolding']);
    expect(liveNamesIn(lines)).toEqual(['ConstantFolding', 'MatMulAddFusion']);
  });

  test('a switched-off name is known from a session that had it, or from the rewrite rules', () => {
    const disabled = ['GeluFusionL2', 'GeluFusion', 'EliminateIdentity'];
    expect(parseOptimizers(lines, disabled, ['GeluFusionL2']).unknownDisabled).toEqual(['GeluFusion']);
  });
});

describe('the sink', () => {
  test("takes onnxruntime's lines while somebody listens and never shows its chatter", async () => {
    const sink = lineSink();
    expect(sink.take('something else')).toBe(false);
    expect(sink.take(applied('X', 0))).toBe(true);
    expect(sink.take(line('W', 'a.cc:1 F', 'warning'))).toBe(false);
    const { lines, value } = await sink.during(async () => {
      expect(sink.take('something else')).toBe(false);
      expect(sink.take(line('W', 'a.cc:1 F', 'warning'))).toBe(true);
      return 7;
    });
    expect(value).toBe(7);
    expect(lines).toEqual(['something else', line('W', 'a.cc:1 F', 'warning')]);
  });

  test('stops listening when the action fails', async () => {
    const sink = lineSink();
    await expect(sink.during(() => Promise.reject(new Error('x')))).rejects.toThrow('x');
    expect(sink.take(line('W', 'a.cc:1 F', 'warning'))).toBe(false);
  });
});

test.each([
  [0, 8, true, 4],
  [0, 2, true, 2],
  [0, 8, false, 1],
  [6, 8, true, 6],
  [6, 8, false, 1],
])('%i threads wanted on %i cores, shared memory %s: %i', (wanted, cores, canShareMemory, threads) => {
  expect(threadCount(wanted, { cores, canShareMemory })).toBe(threads);
});
