/**
 * The watchdog with the kernel's own driver, in a virtual machine: the whole program, with PostgreSQL, as it
 * is installed. Run by run.sh, which makes the image and says in WATCHDOG_SKIP why there is none.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { type MachineRun, runMachine } from "./machine.ts";

const images = process.env.WATCHDOG_IMAGES ?? "";
const skip = process.env.WATCHDOG_SKIP ?? (images === "" ? "WATCHDOG_IMAGES is not set: use run.sh" : "");
if (skip !== "") console.error(`skipped: ${skip}`);

const TIMEOUT_S = 5; // half of the ttl in node.yml
const DEADLINE_MS = 300_000;
const DRIVERS = (process.env.WATCHDOG_DRIVERS ?? "softdog").split(" ") as ("softdog" | "i6300esb")[];

function machine(driver: "softdog" | "i6300esb", probe: "kill" | "stop" | "clean"): Promise<MachineRun> {
  const directory = join(images, driver);
  return runMachine({
    kernel: join(directory, "vmlinuz"),
    initramfs: join(directory, "initramfs"),
    probe,
    driver,
    deadlineMs: DEADLINE_MS - 5000,
  });
}

function hurtAndReset(run: MachineRun, driver: string): void {
  const texts = run.said.map(({ text }) => text);
  expect(texts.slice(0, 3), run.console).toEqual([
    `${driver} is inactive`,
    `leads, ${driver} is active, timeout ${TIMEOUT_S}`,
    "hurt",
  ]);
  expect(run.console).toMatch(/^Fed \d+ times; the reset was never nearer than [\d.]+ s of 5 s/m);
  expect(run.resetAtS).not.toBeNull();
  const afterS = run.resetAtS! - run.said[2]!.uptimeS;
  expect(afterS).toBeLessThan(TIMEOUT_S + 1);
  console.error(`${driver}: reset ${afterS.toFixed(2)} s after the agent was hurt`);
}

for (const driver of DRIVERS) {
  test.skipIf(skip !== "")(`${driver}: agent and guard killed, the host is reset in time`, async () => {
    hurtAndReset(await machine(driver, "kill"), driver);
  }, DEADLINE_MS);

  test.skipIf(skip !== "")(
    `${driver}: agent and guard stopped, with PostgreSQL still running, the host is reset in time`,
    async () => {
      const run = await machine(driver, "stop");
      hurtAndReset(run, driver);
      expect(run.said.at(-1)?.text).toMatch(/^alive, [5-9] of postgres$/);
    },
    DEADLINE_MS,
  );

  test.skipIf(skip !== "")(
    `${driver}: pause and a clean stop disarm it; a required device that is missing lets nobody lead`,
    async () => {
      const run = await machine(driver, "clean");
      expect(run.said.map(({ text }) => text), run.console).toEqual([
        `${driver} is inactive`,
        `leads, ${driver} is active, timeout ${TIMEOUT_S}`,
        `paused, ${driver} is inactive`,
        `stopped, ${driver} is inactive`,
        "refused",
      ]);
      expect(run.resetAtS).toBeNull();
      expect(run.console).toContain(
        "watchdog.mode is required, so this member cannot become primary: /dev/nowhere does not exist",
      );
    },
    DEADLINE_MS,
  );
}
