import { expect, test } from "bun:test";
import { STOP_BUDGET_MS } from "../lease/stop_budget.ts";
import { fenceDueMs, type FenceInput, stepFence } from "./fence.ts";
import { type FenceState, newFence } from "./fence_state.ts";

type Timed = readonly [nowMs: number, input: FenceInput];

/** Feeds inputs; the log has one line an input: effects, then the refusal if there was one. */
function play(inputs: readonly Timed[], killAfterMs = 5000): { state: FenceState; log: string[] } {
  let state = newFence(killAfterMs);
  const log: string[] = [];
  for (const [nowMs, input] of inputs) {
    const step = stepFence(state, input, nowMs);
    state = step.state;
    const effects: string[] = step.effects.map((effect) =>
      effect.kind === "signal" ? effect.signal : effect.kind
    );
    if (!step.reply.ok) effects.push(`refused: ${step.reply.error}`);
    log.push(effects.join(" "));
  }
  return { state, log };
}

function last(inputs: readonly Timed[], killAfterMs?: number): string {
  return play(inputs, killAfterMs).log.at(-1) ?? "";
}

const arm = (epoch: number, deadlineMs: number, unfenced = false): FenceInput => ({
  kind: "arm",
  epoch,
  deadlineMs,
  unfenced,
});
const tick: FenceInput = { kind: "tick" };
const primary = (epoch: number): FenceInput => ({ kind: "started", pid: 7, epoch });
const standby: FenceInput = { kind: "started", pid: 7, epoch: null };
const running: readonly Timed[] = [[0, arm(3, 5000)], [10, primary(3)]];
const frozen: readonly Timed[] = [...running, [5000, tick]];

test("a primary runs up to its deadline and is frozen at it", () => {
  expect(last([...running, [4999, tick]])).toBe("");
  expect(last([...running, [5000, tick]])).toBe("freeze");
});

test("a renewal moves the deadline", () => {
  expect(last([...running, [4000, arm(3, 9000)], [8999, tick]])).toBe("");
  expect(last([...running, [4000, arm(3, 9000)], [9000, tick]])).toBe("freeze");
});

test("a deadline that was armed earlier than the one before it counts: ttl was lowered", () => {
  expect(last([...running, [100, arm(3, 200)], [199, tick]])).toBe("");
  expect(last([...running, [100, arm(3, 200)], [200, tick]])).toBe("freeze");
});

test("a frozen primary thaws when the same epoch has the stop budget ahead", () => {
  expect(last([...frozen, [6000, arm(3, 6000 + STOP_BUDGET_MS)]])).toBe("thaw");
  expect(last([...frozen, [6000, arm(3, 6000 + STOP_BUDGET_MS - 1)]])).toBe("freeze");
});

test("a thawed primary is frozen again at the next deadline", () => {
  expect(last([...frozen, [6000, arm(3, 7000)], [7000, tick]])).toBe("freeze");
});

test("while frozen everything is stopped again and again, since others may send SIGCONT", () => {
  expect(last([...frozen, [5100, tick]])).toBe("freeze");
});

test("a frozen primary is killed when the freeze has lasted", () => {
  expect(last([...frozen, [9999, tick]])).toBe("freeze");
  expect(last([...frozen, [10_000, tick]])).toBe("kill");
});

test("the freeze lasts no longer than 10 s, whatever the ttl", () => {
  expect(last([...frozen, [14_999, tick]], 30_000)).toBe("freeze");
  expect(last([...frozen, [15_000, tick]], 30_000)).toBe("kill");
  const retimed: FenceInput = {
    kind: "arm",
    epoch: 3,
    deadlineMs: 5000,
    unfenced: false,
    killAfterMs: 60_000,
  };
  expect(last([[0, retimed], [10, primary(3)], [5000, tick], [15_000, tick]])).toBe("kill");
});

test("arming another epoch kills the primary of the old one, frozen or not", () => {
  expect(last([...running, [100, arm(4, 9000)]])).toBe("kill");
  expect(last([...frozen, [5100, arm(4, 9000)]])).toBe("kill");
});

test("arming another epoch leaves a standby alone", () => {
  expect(last([[0, arm(3, 5000)], [10, standby], [100, arm(4, 9000)], [20_000, tick]])).toBe("");
});

test("a writable postmaster that nothing was armed for is killed", () => {
  expect(last([[0, primary(3)]])).toBe("kill");
  expect(last([[0, arm(4, 9000)], [1, primary(5)]])).toBe("kill");
});

test("an ended epoch and everything below is refused for ever", () => {
  const ended: readonly Timed[] = [[0, arm(3, 5000)], [1, { kind: "end", epoch: 3 }]];
  expect(last([...ended, [2, arm(3, 9000)]])).toBe("refused: epoch 3 is over (ended up to 3)");
  expect(last([...ended, [2, arm(2, 9000)]])).toBe("refused: epoch 2 is over (ended up to 3)");
  expect(last([...ended, [2, { kind: "start", epoch: 3 }]])).toBe("refused: epoch 3 is over (ended up to 3)");
  expect(last([...ended, [2, arm(4, 9000)]])).toBe("");
  expect(last([[0, arm(3, 5000)], [1, arm(4, 5000)], [2, arm(3, 9000)]])).toBe(
    "refused: epoch 3 is over (ended up to 3)",
  );
});

test("B22: an older epoch than the armed one is refused", () => {
  expect(last([[0, arm(3, 5000)], [1, arm(2, 9000)]])).toBe("refused: epoch 2 is older than 3");
});

test("a deadline of another clock is refused", () => {
  expect(last([[0, arm(3, 1.7e12)]])).toBe("refused: deadline 1700000000000 comes from another clock");
  expect(last([[0, arm(3, Number.NaN)]])).toBe("refused: deadline NaN comes from another clock");
});

test("an epoch does not end while its postmaster may acknowledge writes", () => {
  const why = "refused: the postmaster (pid 7) may still acknowledge writes";
  expect(last([...running, [100, { kind: "end", epoch: 3 }]])).toBe(why);
  expect(last([...running, [100, { kind: "end", epoch: 4 }]])).toBe(why);
  expect(last([...frozen, [5100, { kind: "end", epoch: 3 }]]).startsWith(why)).toBe(false);
  expect(last([...frozen, [5100, { kind: "end", epoch: 3 }]])).toContain("may still acknowledge writes");
  expect(last([[0, { kind: "found", pid: 7 }], [1, { kind: "end", epoch: 3 }]])).toBe(why);
  // Even dead, until nothing of it is left.
  expect(last([...running, [100, { kind: "exited" }], [101, { kind: "end", epoch: 3 }]])).toBe(why);
  expect(
    last([...running, [100, { kind: "exited" }], [101, { kind: "gone" }], [102, { kind: "end", epoch: 3 }]]),
  )
    .toBe("");
  expect(last([[0, { kind: "orphans" }], [1, { kind: "end", epoch: 3 }]])).toBe(
    "refused: processes of PostgreSQL are still being killed",
  );
});

test("what has ended is no longer armed", () => {
  expect(play([[0, arm(3, 5000)], [1, { kind: "end", epoch: 4 }]]).state.armed).toBeNull();
  expect(play([[0, arm(3, 5000)], [1, { kind: "end", epoch: 2 }]]).state.armed?.epoch).toBe(3);
});

test("an epoch ends beside a running standby", () => {
  expect(last([[0, standby], [1, { kind: "end", epoch: 3 }]])).toBe("");
});

test("a start as primary needs its epoch armed with time left", () => {
  const start: FenceInput = { kind: "start", epoch: 3 };
  expect(last([[0, start]])).toBe("refused: epoch 3 is not armed");
  expect(last([[0, arm(4, 5000)], [1, start]])).toBe("refused: epoch 3 is not armed");
  expect(last([[0, arm(3, 5000)], [4551, start]])).toBe("refused: epoch 3 has 449 ms left, less than needed");
  expect(last([[0, arm(3, 5000)], [4550, start]])).toBe("");
  expect(last([[0, arm(3, 0, true)], [99_999, start]])).toBe("");
});

test("a start as standby needs nothing armed", () => {
  expect(last([[0, { kind: "start", epoch: null }]])).toBe("");
});

test("nothing starts beside a postmaster or before its remains are gone", () => {
  const start: FenceInput = { kind: "start", epoch: null };
  expect(last([[0, standby], [1, start]])).toBe("refused: a postmaster runs already (pid 7)");
  expect(last([[0, standby], [1, { kind: "exited" }], [2, start]])).toBe(
    "refused: a postmaster runs already (pid 7)",
  );
  expect(last([[0, { kind: "orphans" }], [1, start]])).toBe(
    "refused: processes of PostgreSQL are still being killed",
  );
  expect(last([[0, { kind: "orphans" }], [1, { kind: "gone" }], [2, start]])).toBe("");
});

test("a promotion needs its epoch armed with time left, and is fenced from then on", () => {
  const promote: FenceInput = { kind: "promote", epoch: 3 };
  expect(last([[0, standby], [1, promote]])).toBe("refused: epoch 3 is not armed");
  expect(last([[0, arm(3, 5000)], [1, standby], [4600, promote]])).toBe(
    "refused: epoch 3 has 400 ms left, less than needed",
  );
  const promoted: readonly Timed[] = [[0, arm(3, 5000)], [1, standby], [2, promote]];
  expect(last(promoted)).toBe("promote");
  expect(last([...promoted, [5000, tick]])).toBe("freeze");
});

test("a promotion is refused while the postmaster shuts down or is frozen", () => {
  const promote: FenceInput = { kind: "promote", epoch: 3 };
  expect(last([[0, arm(3, 5000)], [1, standby], [2, { kind: "signal", signal: "fast" }], [3, promote]])).toBe(
    "refused: the postmaster is being shut down",
  );
  expect(last([...frozen, [5001, promote]])).toContain("refused: the postmaster is frozen");
});

test("a shutdown that outlasts the deadline is frozen like everything else", () => {
  expect(last([...running, [4900, { kind: "signal", signal: "fast" }]])).toBe("fast");
  expect(last([...running, [4900, { kind: "signal", signal: "fast" }], [5000, tick]])).toBe("freeze");
});

test("asked to shut down, a frozen postmaster is killed: thawed it could acknowledge", () => {
  expect(last([...frozen, [5001, { kind: "signal", signal: "fast" }]])).toBe("kill");
  expect(last([...frozen, [5001, { kind: "signal", signal: "immediate" }]])).toBe("kill");
});

test("the end of the postmaster is followed by the end of everything of its directory", () => {
  expect(last([...running, [100, { kind: "exited" }]])).toBe("kill");
  expect(play([...running, [100, { kind: "exited" }], [101, { kind: "gone" }]]).state.postmaster).toBeNull();
});

test("an exit that the ladder forced is told from one that was asked for", () => {
  expect(play([...frozen, [10_000, tick], [10_001, { kind: "exited" }]]).state.postmaster?.fenced).toBe(true);
  expect(play([...running, [100, { kind: "kill" }], [101, { kind: "exited" }]]).state.postmaster?.fenced)
    .toBe(false);
});

test("unfenced, a primary survives its deadline; armed without it, the ladder is back", () => {
  const paused: readonly Timed[] = [...running, [100, arm(3, 5000, true)]];
  expect(last([...paused, [99_999, tick]])).toBe("");
  expect(last([...paused, [99_999, arm(3, 5000)]])).toBe("freeze");
  expect(last([...paused, [99_999, arm(3, 104_000)]])).toBe("");
  expect(last([...frozen, [5100, arm(3, 0, true)]])).toBe("thaw");
});

test("an adopted postmaster is left alone until it is declared, then fenced", () => {
  const adopted: readonly Timed[] = [[0, { kind: "found", pid: 7 }]];
  expect(last([...adopted, [99_999, tick]])).toBe("");
  expect(last([...adopted, [1, { kind: "adopt", epoch: 3 }]])).toBe("refused: epoch 3 is not armed");
  const declared: readonly Timed[] = [...adopted, [1, arm(3, 5000)], [2, { kind: "adopt", epoch: 3 }]];
  expect(last(declared)).toBe("");
  expect(last([...declared, [5000, tick]])).toBe("freeze");
  expect(last([...declared, [3, { kind: "adopt", epoch: null }]])).toBe(
    "refused: a primary does not become a standby without a restart",
  );
  expect(last([...adopted, [1, { kind: "adopt", epoch: null }], [2, { kind: "end", epoch: 3 }]])).toBe("");
});

test("one that is found while an epoch is in force is fenced with it until it is declared", () => {
  const found: FenceInput = { kind: "found", pid: 7 };
  const inForce: readonly Timed[] = [[0, arm(3, 5000)], [10, found]];
  expect(last([...inForce, [4999, tick]])).toBe("");
  expect(last([...inForce, [5000, tick]])).toBe("freeze");
  expect(fenceDueMs(play(inForce).state, 20)).toBe(5000);
  expect(last([...inForce, [5000, tick], [6000, arm(3, 9000)]])).toBe("thaw");
  expect(last([...inForce, [6000, { kind: "adopt", epoch: null }], [9000, tick]])).toBe("");
  expect(play([...inForce, [5000, tick], [6000, { kind: "adopt", epoch: null }]]).log.at(-1)).toBe("thaw");
  // Restarted by others in maintenance mode, which ends before its role is told.
  const paused: readonly Timed[] = [[0, arm(3, 5000, true)], [6000, found]];
  expect(last([...paused, [99_999, tick]])).toBe("");
  expect(last([...paused, [7000, arm(3, 8000)], [8000, tick]])).toBe("freeze");
  expect(last([...paused, [7000, arm(4, 9000)]])).toBe("kill");
});

test("a server that is found after the deadline is a standby's, and cannot show it when it is frozen", () => {
  const found: FenceInput = { kind: "found", pid: 7 };
  expect(last([[0, arm(3, 5000)], [5000, found], [9000, tick]])).toBe("");
  expect(last([[0, arm(3, 5000)], [5000, found], [6000, arm(3, 7000)], [9000, tick]])).toBe("");
});

test("the next look is due at the deadline, and soon while frozen", () => {
  expect(fenceDueMs(play(running).state, 20)).toBe(5000);
  expect(fenceDueMs(play(frozen).state, 5000)).toBe(5100);
  expect(fenceDueMs(play([...frozen, [9950, tick]]).state, 9950)).toBe(10_000);
  expect(fenceDueMs(play([[0, arm(3, 5000)], [1, standby]]).state, 20)).toBeNull();
  expect(fenceDueMs(play([...running, [20, arm(3, 5000, true)]]).state, 20)).toBeNull();
  expect(fenceDueMs(newFence(5000), 0)).toBeNull();
});

const fast: FenceInput = { kind: "signal", signal: "fast" };
const closing = (leftoversMs = 2000, pid = 7): FenceInput => ({ kind: "close", pid, leftoversMs });
const closed: readonly Timed[] = [...running, [1000, fast], [1500, closing()]];

test("an epoch ends while the archiver of a primary past its shutdown checkpoint still lives", () => {
  expect(last([...closed, [1600, { kind: "end", epoch: 3 }]])).toBe("");
  expect(last([...closed, [1600, { kind: "end", epoch: 3 }], [1700, arm(3, 9000)]])).toMatch(/is over/);
});

test("what is left of a closed primary is killed at its limit, not at the deadline of the lease", () => {
  expect(last([...closed, [3499, tick]])).toBe("");
  expect(last([...closed, [3500, tick]])).toBe("kill");
  const long: readonly Timed[] = [...running, [1000, fast], [1500, closing(60_000)]];
  expect(last([...long, [20_000, tick]])).toBe("");
  expect(fenceDueMs(play(long).state, 20_000)).toBe(61_500);
});

test("a second word on the same primary never gives what is left of it more time", () => {
  expect(last([...closed, [1600, closing(60_000)], [3500, tick]])).toBe("kill");
});

test("a primary that nobody told to shut down does not count as closed", () => {
  expect(last([...running, [1500, closing()]])).toMatch(/no shutdown was asked for/);
  expect(last([...running, [1500, closing()], [1600, { kind: "end", epoch: 3 }]])).toMatch(/may still/);
});

test("one process is not closed by word of another, nor one that is frozen or no primary", () => {
  expect(last([...running, [1000, fast], [1500, closing(2000, 8)]])).toMatch(/no postmaster/);
  expect(last([...running, [1000, fast], [5000, tick], [5100, closing()]])).toMatch(/frozen/);
  expect(last([[0, standby], [1000, fast], [1500, closing()]])).toMatch(/no primary/);
});

test("nothing is started beside what is left of a closed primary, and it is not promoted", () => {
  expect(last([...closed, [1600, arm(4, 9000)], [1700, { kind: "start", epoch: 4 }]])).toMatch(
    /runs already/,
  );
  expect(last([...closed, [1600, arm(4, 9000)], [1700, { kind: "promote", epoch: 4 }]])).toMatch(
    /shut down/,
  );
});

const doomed: FenceInput = { kind: "doomed" };

test("an epoch ends while the kernel keeps processes that were killed, and nothing starts before they are gone", () => {
  const killed: readonly Timed[] = [...running, [100, { kind: "kill" }]];
  expect(last([...killed, [200, { kind: "end", epoch: 3 }]])).toContain("may still acknowledge writes");
  const left: readonly Timed[] = [...killed, [200, doomed]];
  expect(last([...left, [300, { kind: "end", epoch: 3 }]])).toBe("");
  expect(last([...left, [300, { kind: "end", epoch: 3 }], [400, { kind: "start", epoch: null }]])).toContain(
    "a postmaster runs already",
  );
  expect(last([...left, [400, { kind: "gone" }], [500, { kind: "start", epoch: null }]])).toBe("");
});

test("an epoch ends while the kernel keeps what an earlier guard has left behind, and nothing starts before it is gone", () => {
  const found: readonly Timed[] = [[0, arm(3, 5000)], [100, { kind: "orphans" }]];
  const end: FenceInput = { kind: "end", epoch: 3 };
  expect(last([...found, [200, end]])).toContain("still being killed");
  const left: readonly Timed[] = [...found, [200, doomed]];
  expect(last([...left, [300, end]])).toBe("");
  expect(last([...left, [300, end], [400, { kind: "start", epoch: null }]])).toContain("still being killed");
  expect(last([...left, [400, { kind: "gone" }], [500, { kind: "start", epoch: null }]])).toBe("");
  // What is found later is not known to be doomed.
  expect(last([...left, [300, { kind: "orphans" }], [400, end]])).toContain("still being killed");
  expect(last([...left, [300, { kind: "gone" }], [400, { kind: "orphans" }], [500, end]])).toContain(
    "still being killed",
  );
});

test("only what is being killed is doomed, and what comes after it is not", () => {
  expect(last([...running, [100, doomed]])).toContain("nothing is being killed");
  expect(last([...frozen, [5100, doomed]])).toContain("nothing is being killed");
  const again: readonly Timed[] = [
    ...running,
    [100, { kind: "kill" }],
    [200, doomed],
    [300, { kind: "gone" }],
    [400, primary(3)],
  ];
  expect(last([...again, [500, { kind: "end", epoch: 3 }]])).toContain("may still acknowledge writes");
});
