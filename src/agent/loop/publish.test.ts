import { expect, test } from "bun:test";
import { cluster, life, postgres, RUNNING_PRIMARY } from "../../brain/testing.ts";
import type { GuardView } from "../../model/guard_view.ts";
import type { OwnStatusInput } from "./own_status.ts";
import { Publisher } from "./publish.ts";

const INPUT: Omit<OwnStatusInput, "seq" | "nowMs"> = {
  life: life("a"),
  name: "a",
  incarnation: 1,
  dcs: cluster(),
  postgres: postgres(RUNNING_PRIMARY),
  guard: { state: "ok" } as GuardView,
  watchdog: undefined,
  watchdogFailed: false,
  holding: true,
  inStandbyCluster: false,
  sighting: { epoch: 3, lsn: null },
  cut: null,
  walSettled: true,
  streamedTo: [],
  stopping: false,
  nofailover: false,
  failoverPriority: 1,
  tags: {},
  connUrl: "",
  apiUrl: "",
  lateMs: 0,
  canLose: null,
};

test("a status goes to the others twice a second, early with something else, and at once with news", () => {
  const sent: number[] = [];
  const publisher = new Publisher({
    raft: { id: 1, send: (to: number) => void sent.push(to) },
    peers: () => [1, 2, 3],
  });
  const publish = (nowMs: number, earlyMs = 0, stopping = false) =>
    publisher.publish({ ...INPUT, nowMs, stopping }, earlyMs) !== null;
  expect(publish(1000)).toBe(true);
  expect(sent).toEqual([2, 3]);
  expect(publish(1499)).toBe(false);
  expect(publish(1499, 1)).toBe(true);
  expect(publish(1759, 239)).toBe(false);
  expect(publish(1759, 240)).toBe(true);
  expect(publish(2258)).toBe(false);
  expect(publish(2259)).toBe(true);
  expect(publish(2260, 0, true)).toBe(true);
});
