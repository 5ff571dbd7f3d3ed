/** What the page says of the cluster, and whether it passes for the present. */
import { expect, test } from "bun:test";
import { stubStatus } from "../../../testing.ts";
import type { EventJson } from "../../../shapes.ts";
import { answer, AT_MS, stateOf } from "../testing.ts";
import { eventViews } from "./events.ts";
import { bytesText, durationText, timeText } from "./format.ts";
import { notices } from "./notices.ts";
import { nextAskMs } from "./pace.ts";
import { NOTHING_KNOWN, recordsKey, withAnswer, withoutAnswer } from "./state.ts";
import { pageOf, topology } from "./topology.ts";
import { freshnessText, staleness, verdict } from "./verdict.ts";

const title = (data: ReturnType<typeof answer>) => verdict(stateOf(data)).title;

test("the verdict names the worst that is known", () => {
  expect(verdict(stateOf(answer()))).toEqual({
    level: "ok",
    title: "Healthy",
    detail: "node1 leads, 3 members",
  });
  expect(title(answer((port) => port.change({ dcsAgeMs: 60_000 })))).toBe("No majority");
  expect(title(answer((port) => {
    port.lease = false;
    port.changeDcs({ lock: { ...port.view().dcs!.lock, holder: null } });
  }))).toBe("No primary");
  expect(title(answer((port) => port.changeStatus({ state: "stopping", running: false }))))
    .toBe("Primary not running");
  expect(title(answer((port) => port.changeDynamic({ pause: true })))).toBe("Paused");
  expect(title(answer((port) => port.changeMember("node3", {}, 60_000)))).toBe("Needs attention");
  expect(title(answer((port) => port.change({ raft: { ...port.view().raft!, canLose: 0 } })))).toBe(
    "Degraded",
  );
  expect(verdict(NOTHING_KNOWN).level).toBe("unknown");
});

test("what is not the present is said to be old: no answer, a late one, or one without a majority", () => {
  const fresh = stateOf(answer());
  expect(staleness(fresh, AT_MS + 2000)).toBe(null);
  const late = { headline: "node1 does not answer.", age: "What is shown is 9 s old." };
  expect(staleness(fresh, AT_MS + 9000)).toEqual(late);
  const failed = withoutAnswer(fresh, "Failed to fetch");
  expect(staleness(failed, AT_MS + 2000)?.headline).toBe("node1 does not answer (Failed to fetch).");
  expect(staleness(failed, AT_MS + 7000)?.headline).toBe("node1 does not answer (Failed to fetch).");
  expect(freshnessText(failed, AT_MS + 2000)).toBe("last answer 2 s ago");
  expect(staleness(stateOf(answer((port) => port.change({ dcsAgeMs: 61_000 }))), AT_MS)).toEqual({
    headline: "node1 has no contact with a majority of the voters.",
    age: "What is shown is its own view, as the cluster was 61 s ago.",
  });
  expect(staleness(NOTHING_KNOWN, AT_MS)).toBe(null);
  expect(staleness(withoutAnswer(NOTHING_KNOWN, "x"), AT_MS)?.headline).toBe("No answer yet: x.");
  expect(staleness(withAnswer(failed, answer(), AT_MS + 5000), AT_MS + 5000)).toBe(null);
});

test("nothing is asked while nobody looks, and less and less while nobody answers", () => {
  const pace = { hidden: false, failures: 0, changing: false };
  expect(nextAskMs({ ...pace, hidden: true, changing: true })).toBe(null);
  expect(nextAskMs(pace)).toBe(2000);
  expect(nextAskMs({ ...pace, changing: true })).toBe(500);
  expect([1, 2, 3, 4, 5, 50].map((failures) => nextAskMs({ ...pace, failures }))).toEqual([
    2000,
    4000,
    8000,
    10_000,
    10_000,
    10_000,
  ]);
});

test("records are read again when they or the states of members change, and for nothing else", () => {
  const key = recordsKey(answer());
  expect(recordsKey(answer((port) => port.change({ loopAgeMs: 5, eventLoopLateMs: 1 })))).toBe(key);
  expect(recordsKey(answer((port) => port.changeDcs({ revision: 13 })))).not.toBe(key);
  expect(recordsKey(answer((port) => port.changeMember("node2", { tags: {}, replicationState: null })))).not
    .toBe(key);
});

test("members stand below the one that they follow, each once, those in a circle too", () => {
  const names = (views: ReturnType<typeof topology>): unknown =>
    views.map(({ name, followers }) => followers.length === 0 ? name : [name, names(followers)]);
  expect(names(topology(answer()))).toEqual([["node1", ["node2", "node3"]]]);
  const cascade = answer((port) => port.changeMember("node3", { following: "node2" }));
  expect(names(topology(cascade))).toEqual([["node1", [["node2", ["node3"]]]]]);
  const circle = answer((port) => {
    port.changeMember("node2", { following: "node3" });
    port.changeMember("node3", { following: "node2" });
  });
  expect(names(topology(circle))).toEqual(["node1", "node2", "node3"]);
  const leaderless = answer((port) => port.changeDcs({ lock: { ...port.view().dcs!.lock, holder: null } }));
  expect(names(topology(leaderless))).toEqual(["node1", "node2", "node3"]);
});

test("a member's lag, state and marks are told in words", () => {
  const data = answer((port) => {
    port.changeMember("node2", { replayedLsn: 83886080 - 4096, receivedLsn: 83886080 - 4096 });
    port.changeMember(
      "node3",
      { ...stubStatus("node3", false), tags: { nofailover: true, zone: "a" } },
      3500,
    );
  });
  const [{ followers: [behind, silent] }] = topology(data) as never as [{ followers: never[] }];
  expect(behind).toMatchObject({
    lag: { text: "4.0 kB behind", level: "ok" },
    state: "streaming",
    level: "ok",
  });
  expect(silent).toMatchObject({
    lag: { text: "lag unknown", level: "bad" },
    level: "bad",
    marks: ["nofailover", "zone: a"],
  });
  expect(notices(data)[0]).toEqual({
    level: "bad",
    text: "node3: does not answer; it was streaming 4 s ago",
  });
});

test("only an address of HTTP becomes a link, and without what follows its host", () => {
  expect(pageOf("http://10.0.0.1:8008/patroni")).toBe("http://10.0.0.1:8008/ui");
  expect(pageOf("https://[2001:db8::1]:8008/patroni")).toBe("https://[2001:db8::1]:8008/ui");
  for (
    const url of ["javascript:alert(1)", "data:text/html,x", "//evil", "http://a@evil/x", "", "ftp://x/"]
  ) {
    expect([url, pageOf(url)]).toEqual([url, null]);
  }
});

const event = (id: number, kind: string, because: readonly number[]): EventJson => ({
  id,
  at: "2026-01-31T11:59:00.000Z",
  member: "node1",
  kind,
  text: kind,
  because,
});

test("events come latest first, each with the chain of its causes, in a circle too", () => {
  const list = [event(1, "member-lost", []), event(2, "lock-expired", [1]), event(3, "lock-granted", [2])];
  const [last] = eventViews(list, 10);
  expect([last!.id, last!.level, last!.causes.map(({ id }) => id)]).toEqual([3, "good", [1, 2]]);
  expect(eventViews(list, 2).map(({ id }) => id)).toEqual([3, 2]);
  const circle = [event(1, "a", [2]), event(2, "b", [1])];
  expect(eventViews(circle, 10).map(({ causes }) => causes.map(({ id }) => id))).toEqual([[1], [2]]);
});

test("figures are short, and times are those of the reader", () => {
  expect([0, 1023, 1024, 150 * 1024, 5e9, 2 ** 70].map(bytesText)).toEqual([
    "0 B",
    "1023 B",
    "1.0 kB",
    "150 kB",
    "4.7 GB",
    "1048576 PB",
  ]);
  expect([-5, 400, 119_000, 121_000, 7_500_000, 200_000_000].map(durationText)).toEqual([
    "0 s",
    "0 s",
    "119 s",
    "2 min",
    "2 h 5 min",
    "2 d 7 h",
  ]);
  expect(timeText("2026-01-31T12:00:00Z", AT_MS)).toMatch(/^\d\d:\d\d:\d\d$/);
  expect(timeText("2025-01-31T12:00:00Z", AT_MS)).toMatch(/^\d+ \w+ \d{4} \d\d:\d\d:\d\d$/);
  expect(timeText("no time", AT_MS)).toBe("no time");
});
