/** `agent ctl watch` on a terminal, and what it leaves behind. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { StubCluster, watched } from "./testing.ts";

let cluster: StubCluster;

beforeEach(() => {
  cluster = new StubCluster();
});
afterEach(() => cluster.stop());

test("the members and the last events have a screen of their own until q; then the screen is as it was", async () => {
  const { code, written, released } = await watched(cluster, [["demo", "x"], ["demo", "q"]], { rows: 40 });
  expect([code, released]).toEqual([0, true]);
  expect(written[0]).toBe("\x1b[?1049h\x1b[?25l");
  expect(written.at(-1)).toBe("\x1b[?25h\x1b[?1049l");
  expect(written).toHaveLength(4);
  const picture = written[2]!.replaceAll("\x1b[K", "").split("\n");
  expect(picture[0]).toMatch(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}every 0\.01 s, q ends$/);
  expect(picture[1]).toStartWith("+ Cluster: demo (");
  expect(picture).toContain(" Quorum: can lose 1 more");
  expect(picture).toContain(" Events:");
});

test("it goes on when nobody answers, with the last picture and the error above it", async () => {
  const { written } = await watched(cluster, [["demo", "x"], ["Error: ", "\x03"]], {
    rows: 40,
    beforeKey: (key) => {
      if (key === "x") void cluster.stop();
    },
  });
  const picture = written.at(-2)!;
  expect(picture).toContain("Error: No member of the cluster answers:");
  expect(picture).toContain("+ Cluster: demo (");
});

test("as many events are shown as there is room for, each on one line, the latest last", async () => {
  const event = {
    at: "2026-11-28T12:00:00.000Z",
    kind: "member-lost",
    member: "node2",
    by: "node1",
  } as const;
  const events = Array.from(
    { length: 50 },
    (_, index) => ({ ...event, index, id: index + 1, text: "x".repeat(300) }),
  );
  cluster.port.changeDcs({ events });
  const { written } = await watched(cluster, [["demo", "q"]], { rows: 30 });
  const lines = written[1]!.replaceAll("\x1b[K", "").split("\n");
  const shown = lines.filter((line) => line.startsWith(" #"));
  expect(shown.length).toBeGreaterThan(10);
  expect(lines.length).toBeLessThanOrEqual(30);
  expect(shown.at(-1)).toStartWith(" #50 ");
  expect([...shown[0]!].length).toBe(120);

  const kinds = ["config-changed", "ttl-changed"] as const;
  const pairs = events.map((one, index) => ({ ...one, text: "short", kind: kinds[index % 2]! }));
  cluster.port.changeDcs({ events: pairs });
  for (const rows of [30, 31, 32]) {
    const { written } = await watched(cluster, [["demo", "q"]], { rows });
    const lines = written[1]!.replaceAll("\x1b[K", "").split("\n");
    // No cause stands without its event.
    expect(lines[lines.indexOf(" Events:") + 1]).toStartWith(" #");
    expect(lines.filter((line) => line.startsWith("     because of #")).length).toBeGreaterThan(4);
  }
});
