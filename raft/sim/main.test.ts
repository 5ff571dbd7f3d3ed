import { expect, test } from "bun:test";

function sim(...args: string[]) {
  const { exitCode, stdout, stderr } = Bun.spawnSync([
    process.execPath,
    require.resolve("./main.ts"),
    ...args,
  ]);
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

test("a run over seeds ends with one line that says what was done", () => {
  const { exitCode, stdout } = sim("--seeds", "4", "--fault-seconds", "10");
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(
    /^sim:raft: 4 seeds from 1, .* simulated hours .* faults \(.+\), \d+ operations checked, 0 violations\n$/,
  );
});

for (const rule of ["ack-before-fsync", "vote-not-persisted", "no-read-quorum"]) {
  test(`without a rule (${rule}) it fails and says how to replay the seed`, () => {
    const { exitCode, stdout } = sim("--seeds", "200", "--break", rule);
    expect(exitCode).toBe(1);
    const seed = /^seed (\d+), step \d+, [\d.]+ s(, commit \S+)?: /m.exec(stdout)?.[1];
    expect(stdout).toContain(`replay: npm run sim:raft -- --seed ${seed} --break ${rule} --trace\n`);
    const again = sim("--seed", seed!, "--break", rule);
    expect(again.exitCode).toBe(1);
  });
}

test("a broken rule that nothing has noticed is no success", () => {
  const { exitCode, stdout } = sim("--seeds", "2", "--fault-seconds", "1", "--break", "count-hung-disks");
  expect(exitCode).toBe(3);
  expect(stdout).toContain("nothing has shown that the rule count-hung-disks is off");
});

test("wrong use is told apart from a violation", () => {
  const { exitCode, stderr } = sim("--seeds", "0");
  expect(exitCode).toBe(2);
  expect(stderr).toStartWith("sim:raft: --seeds 0: a whole number above 0 is expected\n");
  expect(sim("--break", "nothing").exitCode).toBe(2);
  expect(sim("--nonsense").exitCode).toBe(2);
  expect(sim("--help").exitCode).toBe(0);
});
