/** Free TCP ports, below the range from which the kernel takes ports for outgoing connections. */
import { createServer } from "node:net";

const LOWEST = 15_000;
const HIGHEST = 32_000;

/** A port is given once: nothing listens yet on one that was given a moment ago. */
const given = new Set<number>();

/**
 * `count` ports that nothing listens on now, on any address, and that this process has not been given before.
 * Another process may still take one.
 */
export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = [];
  for (let tries = 0; found.length < count; tries++) {
    if (tries > 50 * count) throw new Error(`found only ${found.length} of ${count} free ports`);
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) found.push(port);
  }
  return found;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "0.0.0.0", exclusive: true }, () => server.close(() => resolve(true)));
  });
}
