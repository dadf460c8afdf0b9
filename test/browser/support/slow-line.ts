/**
 * The app behind a line of so many bits a second, for the page, its workers and its service worker alike (the browser's
 * own throttling leaves workers out), with a count of what went over it.
 */
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SlowLine {
  readonly url: string;
  /** Bytes of bodies sent, by path. */
  readonly sent: Map<string, number>;
  close(): Promise<void>;
}

const PIECE = 8192;

/** @param latencyMs before each answer begins */
export async function startSlowLine(
  target: string,
  { bitsPerSecond, latencyMs }: { readonly bitsPerSecond: number; readonly latencyMs: number },
): Promise<SlowLine> {
  const sent = new Map<string, number>();
  /** When the line is free again; all answers share it. */
  let freeAt = 0;
  const turn = (bytes: number) => {
    const now = performance.now();
    freeAt = Math.max(freeAt, now) + (bytes * 8000) / bitsPerSecond;
    return new Promise((done) => setTimeout(done, freeAt - now));
  };
  const server = createServer((request, response) => {
    const path = request.url ?? '/';
    const { host: _, ...headers } = request.headers;
    const asked = get(new URL(path, target), { headers }, async (answer) => {
      await new Promise((done) => setTimeout(done, latencyMs));
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      for await (const chunk of answer as AsyncIterable<Buffer>)
        for (let at = 0; at < chunk.length && !response.destroyed; at += PIECE) {
          const piece = chunk.subarray(at, at + PIECE);
          await turn(piece.length);
          sent.set(path, (sent.get(path) ?? 0) + piece.length);
          response.write(piece);
        }
      response.end();
    });
    asked.on('error', () => response.destroy());
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    sent,
    close: async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}
