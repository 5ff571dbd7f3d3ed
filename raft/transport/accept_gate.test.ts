import { expect, test } from "bun:test";
import { tcpLayer } from "./socket_layer.ts";
import { until } from "./testing.ts";

const onLinux = test.skipIf(process.platform !== "linux");

onLinux(
  "connections that come as fast as they are accepted do not hold the loop, and come in later",
  async () => {
    const KNOCKS = 2000;
    let port = 0;
    let turn = 0;
    let longest = 0;
    let accepted = 0;
    const listener = tcpLayer.listen("127.0.0.1", 0, {
      onListening: (listening) => void (port = listening.port),
      onError: (error) => {
        throw error;
      },
      onKnock: (socket) => {
        accepted++;
        if (turn++ === 0) setImmediate(() => void (turn = 0));
        longest = Math.max(longest, turn);
        // Slower than anybody knocks, so that there is always another one.
        for (const endMs = performance.now() + 1; performance.now() < endMs;);
        socket.destroy();
        return false;
      },
      onSocket: () => {},
      onRefused: () => {},
    });
    await until("listening", () => port > 0);
    const knock = `let left = ${KNOCKS};
    const go = () => Bun.connect({ hostname: "127.0.0.1", port: ${port}, socket: { data() {} } }).catch(() => {});
    setInterval(() => { for (let i = 0; i < 4 && left-- > 0; i++) go(); }, 1);`;
    const stranger = Bun.spawn([process.execPath, "-e", knock]);
    try {
      // More than one turn takes: the gate has opened again.
      await until("accepted", () => accepted > 400);
      // Those that passed, and those that the kernel had ready when the gate was shut.
      expect(longest).toBeLessThan(250);
    } finally {
      stranger.kill();
      await stranger.exited;
      listener.close();
    }
  },
  30_000,
);

onLinux(
  "an open connection is heard while the gate is shut, and one that passed after it was, too",
  async () => {
    let port = 0;
    let knocks = 0;
    const heard = new Set<string>();
    const listener = tcpLayer.listen("127.0.0.1", 0, {
      onListening: (listening) => void (port = listening.port),
      onError: (error) => {
        throw error;
      },
      onKnock: () => ++knocks > 0,
      onSocket: (socket) => {
        socket.on("error", () => {});
        socket.on("data", (chunk) => {
          for (const name of chunk.toString().split(" ")) heard.add(name);
        });
      },
      onRefused: () => {},
    });
    await until("listening", () => port > 0);
    const sockets = await Promise.all(Array.from({ length: 120 }, (_, i) =>
      Bun.connect({
        hostname: "127.0.0.1",
        port,
        socket: { open: (socket) => void socket.write(`${i} `), data() {} },
      })));
    await until("all are heard", () => heard.size >= 120);
    expect(knocks).toBe(120);
    for (const socket of sockets) socket.terminate();
    listener.close();
  },
);
