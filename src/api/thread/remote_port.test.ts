import { expect, test } from "bun:test";
import { StubPort } from "../testing.ts";
import type { FromThread } from "./protocol.ts";
import { RemotePort, takeSnapshot, UNASKED_MS } from "./remote_port.ts";

/** The REST thread's side, with an agent's loop that answers at once or not at all. */
function thread() {
  let nowMs = 1000;
  const clock = { now: () => nowMs, after: () => ({ cancel: () => {} }), soon: () => {} };
  const api = new StubPort();
  const asked: FromThread[] = [];
  const port = new RemotePort(clock, takeSnapshot(api, clock, ["timing"]), (message) => {
    asked.push(message);
    if (message.kind !== "look") return;
    const { look, parts } = message;
    queueMicrotask(() => port.heard({ kind: "snapshot", look, snapshot: takeSnapshot(api, clock, parts) }));
  });
  return { port, asked, later: (ms: number) => nowMs += ms };
}

test("the copy is kept fresh while requests come, and from the next one on after a while without any", async () => {
  const { port, asked, later } = thread();
  later(5000);
  await port.keepFresh();
  expect(asked).toHaveLength(1);
  later(UNASKED_MS);
  expect(port.keepFresh()).toBeUndefined();
  expect(asked).toHaveLength(1);
  await port.freshen("/primary");
  expect(asked).toHaveLength(2);
  later(5000);
  await port.keepFresh();
  expect(asked).toHaveLength(3);
});
