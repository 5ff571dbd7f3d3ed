import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { listChildren, readProcess } from "../lib/process_table.ts";
import { waitFor } from "../demo/wait_for.ts";
import { describeWaitedFor } from "./waited_for.ts";

test("the process that hangs is named first, with its title and its state", async () => {
  const parent = spawn("sh", ["-c", "sleep 61 & sleep 62 & wait"], { stdio: "ignore" });
  const pid = parent.pid!;
  try {
    await waitFor(
      "two children that run",
      10_000,
      () => listChildren(pid).filter((each) => readProcess(each)?.name === "sleep").length === 2,
    );
    const [first, second] = listChildren(pid) as [number, number];
    process.kill(second, "SIGSTOP");
    await waitFor("it is stopped", 10_000, () => readProcess(second)?.state === "T");
    expect(await describeWaitedFor(pid)).toBe(
      `pid ${second} (sleep 62; stopped by a signal), pid ${first} (sleep 61)`,
    );
    process.kill(pid, "SIGSTOP");
    await waitFor("the parent is stopped", 10_000, () => readProcess(pid)?.state === "T");
    expect(await describeWaitedFor(pid)).toStartWith(`pid ${pid} (sh -c `);
  } finally {
    for (const each of [...listChildren(pid), pid]) process.kill(each, "SIGKILL");
  }
});

test("a postmaster without children is waited for itself, and one that is gone is nobody", async () => {
  const alone = spawn("sleep", ["63"], { stdio: "ignore" });
  const ended = new Promise((resolve) => alone.once("exit", resolve));
  expect(await describeWaitedFor(alone.pid!)).toBe(`pid ${alone.pid} (sleep 63)`);
  alone.kill("SIGKILL");
  await ended;
  expect(await describeWaitedFor(alone.pid!)).toBe("");
});
