/** When a host is too slow for its ttl, as a table. */
import { expect, test } from "bun:test";
import { neededMs, startAdvice, type StartMeasures } from "./start_check.ts";

const EMAX_MS = 1000;
const quiet: StartMeasures = { seconds: 10, loopMs: 2, syncsMs: [0.3, 0.2, 4], guardMs: 1 };

test("four syncs and two loops are needed, one sync as slow as the slowest", () => {
  expect(neededMs({ loopMs: 10, syncsMs: [1, 50, 2, 3, 4] })).toBe(20 + 50 + 3 * 3);
  expect(neededMs({ loopMs: 10, syncsMs: [] })).toBe(20);
});

const CASES: readonly [string, Partial<StartMeasures>, number, string | null][] = [
  ["a quiet host", {}, 2000, null],
  ["a quiet standby", { guardMs: null }, 2000, null],
  ["half of 296 ms", { loopMs: 72, syncsMs: [1] }, 2000, null],
  ["a little more", { loopMs: 73, syncsMs: [1] }, 2000, "ttl=3"],
  ["the same with ttl 3", { loopMs: 73, syncsMs: [1] }, 3000, null],
  ["a slow disk", { syncsMs: [30, 40, 40] }, 2000, "ttl=3"],
  ["a disk that stalls", { syncsMs: [1, 2, 900] }, 3000, "ttl=4"],
  ["a slow disk that stalls", { syncsMs: [200, 200, 900] }, 2000, "ttl=5"],
  ["the same with ttl 5", { syncsMs: [200, 200, 900] }, 5000, null],
  ["a disk that hangs", { syncsMs: [9000, 9000, 9000] }, 5000, "No ttl is long enough"],
  ["no sync could be measured", { syncsMs: [], loopMs: 100 }, 2000, "could not be measured"],
  ["a late guard", { guardMs: 126 }, 5000, "A longer ttl does not help"],
  ["a guard at half of J", { guardMs: 125 }, 5000, null],
];

test("a ttl is too short when what was measured takes more than half of its room", () => {
  for (const [name, part, ttlMs, word] of CASES) {
    const advice = startAdvice({ ...quiet, ...part }, ttlMs, EMAX_MS);
    if (word === null) expect([name, advice]).toEqual([name, null]);
    else expect([name, advice]).toEqual([name, expect.stringContaining(word)]);
  }
});

test("the ttl that is advised is one that is not warned of, and the next shorter one is", () => {
  for (let loopMs = 0; loopMs < 6000; loopMs += 37) {
    const measured = { ...quiet, loopMs };
    const advised = /ttl=(\d+)/.exec(startAdvice(measured, 2000, EMAX_MS) ?? "")?.[1];
    if (advised === undefined) continue;
    expect(startAdvice(measured, Number(advised) * 1000, EMAX_MS)).toBeNull();
    expect(startAdvice(measured, (Number(advised) - 1) * 1000, EMAX_MS)).not.toBeNull();
  }
});

test("the warning has the numbers and the command", () => {
  expect(startAdvice({ ...quiet, loopMs: 92.4, syncsMs: [3.2, 61, 3.2] }, 2000, EMAX_MS)).toBe(
    "ttl 2 leaves little room on this host: within 10 s the agent's event loop came up to 92 ms late, and a write to " +
      "the disk of the raft log took up to 61 ms (median 3.2). After an election of raft a renewal may need 255 ms of " +
      "that, more than half of the 296 ms that there are (L2: L 1546 - R 250 - Emax 1000). Beyond them PostgreSQL is " +
      "frozen for a moment. ttl 3 would be wiser (agent ctl edit-config -s ttl=3), or less load on this host and a " +
      "disk of its own for raft.data_dir. See: agent ctl timing",
  );
});
