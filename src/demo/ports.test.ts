import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { join } from "node:path";
import { freePorts } from "./ports.ts";

test("a port is given once, and not while something listens there on one of the addresses", async () => {
  const [given] = await freePorts(1) as [number];
  const near = Array.from({ length: 100 }, (_, k) => given - 50 + k).filter((port) => port !== given);
  const servers = near.map((port) => createServer().on("error", () => {}).listen(port, "127.0.0.1"));
  try {
    await Promise.all(
      servers.map((server) =>
        new Promise((settled) => server.once("listening", settled).once("error", settled))
      ),
    );
    const busy = near.filter((_, i) => servers[i]!.listening);
    expect(busy.length).toBeGreaterThan(10);
    const next = await freePorts(600);
    expect(next.filter((port) => port === given || busy.includes(port))).toEqual([]);
    expect(new Set(next).size).toBe(600);
  } finally {
    for (const server of servers) server.close();
  }
});

test("two processes are given different ports", async () => {
  const program = `import { freePorts } from ${JSON.stringify(join(import.meta.dir, "ports.ts"))};
    console.log(JSON.stringify(await freePorts(400)));
    await Bun.stdin.text();`;
  const children = [1, 2].map(() =>
    Bun.spawn([process.execPath, "-e", program], { stdin: "pipe", stdout: "pipe" })
  );
  const given = await Promise.all(children.map(async ({ stdout }) => {
    const { value } = await stdout.getReader().read();
    return JSON.parse(new TextDecoder().decode(value)) as number[];
  }));
  for (const child of children) {
    await child.stdin.end();
    await child.exited;
  }
  expect(new Set(given.flat()).size).toBe(800);
});
