import { expect, test } from "bun:test";
import type { PeerStatus } from "../../../raft/mod.ts";
import { QuorumWatch, SETTLE_MS } from "./quorum_watch.ts";

function voters(...connected: boolean[]): PeerStatus[] {
  return connected.map((up, i) => ({
    id: i + 1,
    name: null,
    addr: `10.0.0.${i + 1}:7800`,
    voter: true,
    connected: up,
    diskHangs: false,
    match: null,
    lastContactMs: 0,
    rttMs: null,
  }));
}

test("a margin of none is said once, with who is missing, and said again when it is over", () => {
  const watch = new QuorumWatch();
  const short = { canLose: 0, members: voters(true, true, false) };
  expect(watch.look({ canLose: 1, members: voters(true, true, true) }, 0)).toBeNull();
  expect(watch.look(short, 1)).toBeNull();
  const news = watch.look(short, 1 + SETTLE_MS);
  expect(news?.level).toBe("warning");
  expect(news?.text).toContain("10.0.0.3:7800");
  expect(watch.look(short, 10 * SETTLE_MS)).toBeNull();
  const after = watch.look({ canLose: 1, members: voters(true, true, true) }, 11 * SETTLE_MS);
  expect(after).toEqual({ level: "info", text: "the cluster can lose 1 more of its voters" });
});

test("a voter in contact whose disk hangs is named, with what hangs", () => {
  const watch = new QuorumWatch();
  const members = voters(true, true, true).map((voter) => ({ ...voter, diskHangs: voter.id === 2 }));
  watch.look({ canLose: 0, members }, 0);
  expect(watch.look({ canLose: 0, members }, SETTLE_MS)?.text).toContain(
    "whose disk for raft.data_dir completes no write: 10.0.0.2:7800",
  );
});

test("a short absence is no news", () => {
  const watch = new QuorumWatch();
  const short = { canLose: 0, members: voters(true, true, false) };
  watch.look(short, 0);
  expect(watch.look(short, SETTLE_MS - 1)).toBeNull();
  expect(watch.look({ canLose: 1, members: voters(true, true, true) }, SETTLE_MS)).toBeNull();
  expect(watch.look(short, SETTLE_MS + 1)).toBeNull();
});

test("who does not lead, and a cluster of two, say nothing", () => {
  const watch = new QuorumWatch();
  for (const nowMs of [0, 2 * SETTLE_MS]) {
    expect(watch.look({ canLose: null, members: voters(true, true, false) }, nowMs)).toBeNull();
    expect(watch.look({ canLose: 0, members: voters(true, true) }, nowMs)).toBeNull();
  }
});
