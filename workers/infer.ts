/** Entry of the infer worker: one session, disposable with the worker. */
import { inferHandlers } from '../src/rpc/infer.ts';
import { serve } from '../src/rpc/server.ts';
import { createWebExecutor, createWebInfer } from '../src/runtime/web-infer.ts';

serve(inferHandlers({ engine: createWebInfer, executor: createWebExecutor }), globalThis as unknown as Worker);
