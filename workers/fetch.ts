/** Entry of the fetch worker: the one place from which other servers can be asked, since its policy is its own. */
import type { FetchContract } from '../src/rpc/contract.ts';
import { serve } from '../src/rpc/server.ts';
import { answerFetch } from '../src/services/worker/answer-fetch.ts';

serve<FetchContract>({ fetch: answerFetch }, globalThis as unknown as Worker);
