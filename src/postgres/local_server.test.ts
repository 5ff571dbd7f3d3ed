import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { MINIMAL, parsedConfig } from "../config/testing.ts";
import { ConfigInForce } from "./config_in_force.ts";
import { LocalServer } from "./local_server.ts";

test("while no way works, attempts are few however often they are asked for, and the reasons are kept", async () => {
  let attempts = 0;
  const listener = createServer((socket) => {
    attempts++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = listener.address() as { port: number };
    const file = parsedConfig(MINIMAL.replace("127.0.0.1:5001", `127.0.0.1:${port}`));
    const config = new ConfigInForce(file);
    let nowMs = 0;
    const server = new LocalServer({
      config,
      major: 15,
      socketDirectories: () => null,
      now: () => nowMs,
      info: () => {},
    });
    const refusal = async () =>
      await server.connect().then(() => "connected", (error: Error) => error.message);
    // A minute of somebody who looks every 20 ms.
    for (; nowMs < 60_000; nowMs += 20) expect(await refusal()).toContain(`127.0.0.1:${port}: `);
    // sslmode prefer: a server that ends the connection is asked once without and at most once with
    // encryption.
    expect(attempts).toBeLessThan(40);
    const before = attempts;
    await refusal();
    expect(attempts).toBe(before);
    // A reload may have opened a way: it is tried at once.
    config.replaceLocal(file);
    await refusal();
    expect(attempts).toBeGreaterThan(before);
  } finally {
    listener.close();
  }
});
