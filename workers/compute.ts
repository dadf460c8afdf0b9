/** Entry of a compute worker: runs the loops of quantizers, one task after the other. */
import { runTask } from '../src/core/quant/support/tasks.ts';
import type { ComputeContract } from '../src/rpc/contract.ts';
import { serve } from '../src/rpc/server.ts';
import { giveAwayBuffers } from '../src/rpc/transfer.ts';

serve<ComputeContract>(
  {
    warm: async () => null,
    run: async ({ task, input }) => {
      const { output, transfer } = runTask(task, input);
      return giveAwayBuffers(output, transfer);
    },
  },
  globalThis as unknown as Worker,
);
