/**
 * Node ends (or, seen with Node 20, sleeps for ever) while WebAssembly is compiled in the background and nothing else
 * keeps its event loop turning. A timer does.
 */
export async function keepAlive<T>(action: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 50);
  try {
    return await action();
  } finally {
    clearInterval(timer);
  }
}
