/** Tools for tests of the transport: a clock on real time, and waiting for conditions. */
import * as net from "node:net";

/** Resolves when the condition holds; throws after `deadlineMs`. */
export async function until(what: string, condition: () => boolean, deadlineMs = 20_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await Bun.sleep(5);
  }
}

/**
 * Range of test ports, below that from which the kernel takes ports for outgoing connections: it may give one
 * of those away meanwhile.
 */
const [LOWEST_PORT, HIGHEST_PORT] = [10_000, 32_000];
/** Ports given so far. A port is given once: nothing listens yet on one that was given a moment ago. */
const given = new Set<number>();

/** Finds a port of 127.0.0.1 that nothing listens on now. Another process may still take it. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST_PORT + Math.floor(Math.random() * (HIGHEST_PORT - LOWEST_PORT));
    if (given.has(port)) continue;
    given.add(port);
    const server = net.createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}
