/** Free TCP ports, below the range from which the kernel takes ports for outgoing connections. */
import { createServer, type Server } from "node:net";

const LOWEST = 15_000;
const HIGHEST = 32_000;
const BLOCK = 500;

/** Ports of a block that is this process's alone, not given yet; in random order. */
let left: number[] = [];

/**
 * `count` ports that nothing listens on now, on any address, and that neither this process nor another one
 * that asks here has been given: between two starts of a host nothing listens on its ports.
 */
export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = [];
  while (found.length < count) {
    const port = left.pop();
    if (port === undefined) left = await takeBlock();
    else if (await isFree(port)) found.push(port);
  }
  return found;
}

/** Who listens on the first port of a block has it, for as long as the process lives. */
async function takeBlock(): Promise<number[]> {
  const blocks = Array.from({ length: (HIGHEST - LOWEST) / BLOCK }, (_, k) => LOWEST + k * BLOCK);
  for (const first of shuffled(blocks)) {
    const server = await listen(first);
    if (server === null) continue;
    server.unref();
    return shuffled(Array.from({ length: BLOCK - 1 }, (_, k) => first + 1 + k));
  }
  throw new Error(
    `no free block of ${BLOCK} ports from ${LOWEST} to ${HIGHEST}: end other programs that listen there`,
  );
}

async function isFree(port: number): Promise<boolean> {
  const server = await listen(port);
  if (server === null) return false;
  await new Promise((closed) => server.close(closed));
  return true;
}

function listen(port: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(null));
    server.listen({ port, host: "0.0.0.0", exclusive: true }, () => resolve(server));
  });
}

function shuffled<T>(values: readonly T[]): T[] {
  return values.map((value) => ({ value, at: Math.random() })).sort((a, b) => a.at - b.at).map(({ value }) =>
    value
  );
}
