import { expect, test } from "bun:test";

/**
 * A process whose child execs away from a shell that left it a zombie: the runtime knows nothing of that one.
 */
const SCRIPT = `
  import { readProcess } from "${import.meta.dir}/process_table.ts";
  import { reapThoseOf } from "${import.meta.dir}/orphan_reaper.ts";
  const pid = Number(process.argv.at(-1));
  while (readProcess(pid)?.state !== "Z") await Bun.sleep(5);
  const first = reapThoseOf(process.pid, new Set());
  console.log(readProcess(pid)?.state, first.size);
  const second = reapThoseOf(process.pid, first);
  console.log(readProcess(pid)?.state, second.size);
`;

test("a dead child that the runtime does not know is reaped at the second look", () => {
  // The shell starts a child and becomes the program under test, which so has a child that it did not start.
  const shell = `true & exec "$0" -e "$1" $!`;
  const child = Bun.spawnSync(["sh", "-c", shell, process.execPath, SCRIPT], { timeout: 10_000 });
  expect(child.stdout.toString()).toBe("Z 1\nundefined 0\n");
});
