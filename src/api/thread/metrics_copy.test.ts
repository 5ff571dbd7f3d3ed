/** `GET /metrics` in the REST thread: the text of the agent's loop, fresh, aged, or an error. */
import { expect, test } from "bun:test";
import { STATE_KNOWN_MS } from "../../model/member_status.ts";
import { MetricsPage } from "../metrics_page.ts";
import { StubPort } from "../testing.ts";
import { writeMetrics } from "./metrics_copy.ts";
import type { FromThread } from "./protocol.ts";
import { RemotePort, takeSnapshot, UNASKED_MS } from "./remote_port.ts";

/** The REST thread's side, with a loop that answers at once while `hangs` is false. */
function threads() {
  let nowMs = 1000;
  const clock = { now: () => nowMs, after: () => ({ cancel: () => {} }), soon: () => {} };
  const api = new StubPort();
  const page = new MetricsPage();
  const loop = { hangs: false, asked: [] as string[] };
  const port = new RemotePort(clock, takeSnapshot(api, clock, ["timing"]), (message: FromThread) => {
    if (message.kind !== "look" || loop.hangs) return;
    const { look, parts } = message;
    loop.asked.push(parts.join());
    queueMicrotask(() =>
      port.heard(
        parts.includes("metrics")
          ? { kind: "metrics", look, metrics: writeMetrics(page, api, clock) }
          : { kind: "snapshot", look, snapshot: takeSnapshot(api, clock, parts) },
      )
    );
  });
  const scrape = async () => {
    await port.freshen("/metrics");
    return new TextDecoder().decode(port.metrics()!.body);
  };
  return { api, port, loop, scrape, later: (ms: number) => nowMs += ms };
}

function valueOf(text: string, name: string): number | null {
  const match = new RegExp(`^${name}\\{[^}]*\\} (\\S+)$`, "m").exec(text);
  return match ? Number(match[1]) : null;
}

test("a scrape brings the text of the loop and no copy of its state, and is the same within 50 ms", async () => {
  const { api, loop, scrape, later } = threads();
  expect(await scrape()).toBe(new MetricsPage().write(api).text);
  later(50);
  await scrape();
  expect(loop.asked).toEqual(["metrics"]);
  api.change({ counters: { ...api.view().counters, promotions: 7 } });
  later(1);
  expect(valueOf(await scrape(), "agent_promotions_total")).toBe(7);
  expect(loop.asked).toEqual(["metrics", "metrics"]);
});

test("the headers of the configuration are in the answer, as in all others", async () => {
  const { api, port, scrape, later } = threads();
  api.changeRestapi({ httpExtraHeaders: { "X-Site": "a" } });
  later(100);
  await port.freshen("/primary");
  await scrape();
  expect(port.metrics()!.headers).toBe(
    "content-type: text/plain; version=0.0.4; charset=utf-8\r\nx-site: a\r\n",
  );
});

test("what an operation did is seen by the next scrape, however young the text was", async () => {
  const { api, port, scrape } = threads();
  await scrape();
  api.change({ counters: { ...api.view().counters, promotions: 7 } });
  const clock = { now: () => 1000, after: () => ({ cancel: () => {} }), soon: () => {} };
  const outcome = { ok: true, value: null } as const;
  port.heard({ kind: "done", id: 0, outcome, snapshot: takeSnapshot(api, clock, []) });
  expect(valueOf(await scrape(), "agent_promotions_total")).toBe(7);
});

test("while the loop stands still the lease ends, the age grows, and no counter goes back", async () => {
  const { api, port, loop, scrape, later } = threads();
  api.leaseRemainingMs = () => 900;
  api.change({ counters: { ...api.view().counters, promotions: 7 } });
  const before = await scrape();
  expect([valueOf(before, "agent_holds_lease"), valueOf(before, "agent_lease_remaining_seconds")]).toEqual([
    1,
    0.9,
  ]);
  loop.hangs = true;
  later(899);
  const still = await scrape();
  expect(valueOf(still, "agent_holds_lease")).toBe(1);
  expect(valueOf(still, "agent_lease_remaining_seconds")).toBeCloseTo(0.001);
  later(1);
  const hung = await scrape();
  expect(valueOf(hung, "agent_holds_lease")).toBe(0);
  expect(valueOf(hung, "agent_loop_age_seconds")! - valueOf(before, "agent_loop_age_seconds")!).toBeCloseTo(
    0.9,
  );
  // The copy of the state is from before that promotion.
  expect(port.view().counters.promotions).toBe(1);
  expect(valueOf(hung, "agent_promotions_total")).toBe(7);
  expect(valueOf(hung, "patroni_postgres_running")).toBe(1);
  const linesOf = (text: string) => text.split("\n").map((line) => line.replace(/ \S+$/, ""));
  expect(linesOf(hung)).toEqual(linesOf(before));
  later(STATE_KNOWN_MS);
  const long = await scrape();
  expect([valueOf(long, "patroni_postgres_running"), valueOf(long, "patroni_postgres_state")]).toEqual([
    0,
    -1,
  ]);
  expect(valueOf(long, "agent_promotions_total")).toBe(7);
});

test("a lease that is held without time, in maintenance mode, does not end while the loop stands still", async () => {
  const { api, loop, scrape, later } = threads();
  api.leaseRemainingMs = () => 0;
  await scrape();
  loop.hangs = true;
  later(60_000);
  expect(valueOf(await scrape(), "agent_holds_lease")).toBe(1);
});

test("a loop that cannot write its metrics is an error of that request, and asked again 50 ms later", async () => {
  const { api, port, loop, scrape, later } = threads();
  const measures = api.measures.bind(api);
  api.measures = () => {
    throw new Error("a fault of ours");
  };
  await port.freshen("/metrics");
  expect(() => port.metrics()).toThrow("a fault of ours");
  expect(port.freshen("/metrics")).toBe(undefined);
  expect(loop.asked).toEqual(["metrics"]);
  api.measures = measures;
  later(51);
  expect(valueOf(await scrape(), "patroni_primary")).toBe(1);
});

test("scrapes keep the copy fresh as other requests do, for as long as they come", async () => {
  const { port, loop, scrape, later } = threads();
  later(UNASKED_MS);
  expect(port.keepFresh()).toBe(undefined);
  await scrape();
  expect(loop.asked).toEqual(["metrics"]);
  // No other request has come for a minute: the copy is as old, and one is made.
  await port.keepFresh();
  expect(loop.asked).toEqual(["metrics", "view"]);
  expect(port.keepFresh()).toBe(undefined);
  later(5000);
  await port.keepFresh();
  expect(loop.asked).toEqual(["metrics", "view", "view"]);
  later(UNASKED_MS);
  expect(port.keepFresh()).toBe(undefined);
});
