/** Entry of the layout worker: arranging a large graph must delay neither the page nor a build. */
import { layOut } from '../src/core/graph-view/layout/compound.ts';
import type { LayoutContract } from '../src/rpc/contract.ts';
import { serve } from '../src/rpc/server.ts';

serve<LayoutContract>(
  { layOut: (request, job) => layOut(request, job, () => performance.now()) },
  globalThis as unknown as Worker,
);
