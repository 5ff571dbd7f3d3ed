import { expect, spyOn, test } from "bun:test";
import { type AddressInfo, createServer } from "node:net";
import { freePorts } from "./ports.ts";

test("a port is given once, and not while something listens there on one of the addresses", async () => {
  const [given] = await freePorts(1) as [number];
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port: busy } = server.address() as AddressInfo;
  const random = spyOn(Math, "random");
  for (const port of [given, busy]) random.mockImplementationOnce(() => (port - 15_000 + 0.5) / 17_000);
  try {
    const [next] = await freePorts(1) as [number];
    expect(random).toHaveBeenCalledTimes(3);
    expect([given, busy]).not.toContain(next);
  } finally {
    random.mockRestore();
    await new Promise((resolve) => server.close(resolve));
  }
});
