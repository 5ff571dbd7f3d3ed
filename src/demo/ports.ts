/** Free TCP ports, below the range from which the kernel takes ports for outgoing connections. */
import { createServer } from "node:net";

const LOWEST = 15_000;
const HIGHEST = 32_000;

/** `count` different ports that nothing listens on now, on any address. Another process may still take one. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  for (let tries = 0; found.size < count; tries++) {
    if (tries > 50 * count) throw new Error(`found only ${found.size} of ${count} free ports`);
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (!found.has(port) && await isFree(port)) found.add(port);
  }
  return [...found];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "0.0.0.0", exclusive: true }, () => server.close(() => resolve(true)));
  });
}
