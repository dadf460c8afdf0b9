/** Entry of a thread of the command line's pool; compute-pool.ts is the other side. */
import { parentPort } from 'node:worker_threads';
import { toErrorRecord } from '../core/base/errors/index.ts';
import { runTask } from '../core/quant/support/tasks.ts';
import { fileReader } from '../runtime/node-file-source.ts';
import type { ThreadReply, ThreadRequest } from './compute-pool.ts';

const port = parentPort!;
const withFileBytes = fileReader();
port.postMessage('ready');
port.on('message', ({ id, task, input }: ThreadRequest) => {
  let reply: ThreadReply;
  let transfer: ArrayBuffer[] = [];
  try {
    const done = runTask(task, withFileBytes(input));
    transfer = done.transfer;
    reply = { id, output: done.output };
  } catch (error) {
    reply = { id, error: toErrorRecord(error) };
  }
  port.postMessage(reply, transfer);
});
