/** Which processes `agent demo --stop` ends, and which it leaves alone. */
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive } from "../lib/process_table.ts";
import { stopProcesses } from "./host.ts";
import { keptProcesses, type SeenProcess, seenProcesses } from "./kept.ts";
import { waitFor } from "./wait_for.ts";

const kept = "/tmp/agent-cluster-a";

function seen(pid: number, directory: string | null, command: string, more: Partial<SeenProcess> = {}) {
  const program = "/usr/bin/agent";
  return {
    pid,
    name: "x",
    parentPid: 1,
    terminal: 0,
    directory,
    program,
    command: command.split(" "),
    ...more,
  };
}

function judged(...all: SeenProcess[]) {
  const { theirs, spared } = keptProcesses(all, kept, 5);
  return { theirs: theirs.map((one) => one.pid), spared: spared.map((one) => one.pid) };
}

test("what works in the directory is the demonstration's, but for a person's own programs", () => {
  expect(judged(
    seen(10, `${kept}/node1`, "agent run agent.yml"),
    seen(11, `${kept}/node1/data`, "postgres: demo: walwriter"),
    seen(12, `${kept}/node1/data (deleted)`, "postgres: demo: walwriter"),
    seen(13, `${kept}/node1`, "bash", { terminal: 34816 }),
    seen(14, `${kept}/node1`, "postgres -D data", { terminal: 34816, name: "postgres" }),
    seen(15, `${kept}b`, "agent run agent.yml"),
    seen(4, kept, "sh stop.sh"),
    seen(5, kept, "agent demo --stop .", { parentPid: 4 }),
  )).toEqual({ theirs: [10, 11, 12, 14], spared: [13, 4] });
});

test("an agent that was started by hand is found by the file it was given, from anywhere", () => {
  expect(judged(
    seen(10, "/root", `/usr/bin/agent run ${kept}/node1/agent.yml`, { terminal: 34816 }),
    seen(11, "/tmp", "bun cli/main.ts run agent-cluster-a/node2/agent.yml", { program: "/opt/bun" }),
    seen(12, null, `agent guard --socket=${kept}/node1/raft/run/guard.sock --data-dir=/elsewhere`),
    seen(13, "/", "sh -c copy", { parentPid: 10, program: "/bin/dash" }),
    seen(14, "/", "cp a b", { parentPid: 13, program: null }),
    seen(15, "/root", `patroni run ${kept}/node1/agent.yml`, { program: "/opt/agent-0.2 (deleted)" }),
    seen(20, "/root", `tail -f ${kept}/node1/agent.log`, { program: "/usr/bin/tail" }),
    seen(21, "/root", "agent run /etc/agent.yml"),
    seen(22, null, "agent run agent-cluster-a/node2/agent.yml"),
    seen(5, "/root", `agent demo --stop ${kept}`, { program: "/opt/bun" }),
  )).toEqual({ theirs: [10, 11, 12, 13, 14, 15], spared: [] });
});

test("what only names the command of an agent is left alone, and all that runs below it", () => {
  const run = `run ${kept}/node1/agent.yml`;
  expect(judged(
    seen(10, "/root", `tmux new -d agent ${run}`, { program: "/usr/bin/tmux" }),
    seen(11, "/root", `agent ${run}`, { parentPid: 10 }),
    seen(12, "/root", "vim thesis.tex", { parentPid: 10, program: "/usr/bin/vim" }),
    seen(13, "/root", `grep ${run}`, { program: "/usr/bin/grep" }),
    seen(14, "/root", `docker run -v ${kept}/x`, { program: "/usr/bin/docker" }),
    seen(15, "/root", `sudo agent ${run}`, { program: null }),
    seen(5, "/root", `agent demo --stop ${kept}`),
  )).toEqual({ theirs: [11], spared: [] });
});

test("real processes: the agents by hand end, the caller and its caller live", async () => {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "agent-cluster-")));
  const node = join(directory, "node1");
  mkdirSync(node);
  // A program that names what it stands for, and waits for its input to end.
  const start = (cwd: string, program: readonly string[], ...named: string[]) =>
    Bun.spawn([...program, ...named], { cwd, stdin: "pipe", stderr: "ignore" });
  const agent = [process.execPath, "-e", "await Bun.stdin.text()"];
  const shell = ["bash", "-c", "read; true", "agent"];
  const byHand = start("/", agent, "run", join(node, "agent.yml"));
  const inside = start(node, shell);
  const other = start("/", agent, "run", "/etc/agent.yml");
  const foreign = start("/", shell, "run", join(node, "agent.yml"));
  try {
    const look = () => keptProcesses(seenProcesses(), directory, process.pid).theirs.map((one) => one.pid);
    await waitFor("their commands to be seen", 10_000, () => look().length === 2);
    await stopProcesses(directory, look);
    expect([byHand, inside, other, foreign, process].map(({ pid }) => isAlive(pid))).toEqual([
      false,
      false,
      true,
      true,
      true,
    ]);
  } finally {
    for (const child of [byHand, inside, other, foreign]) child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  }
});
