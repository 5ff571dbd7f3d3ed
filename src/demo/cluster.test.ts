/** What is left of a cluster on this machine when the program that made it is ended. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";

const PROGRAM = `
  const { Cluster } = await import(${JSON.stringify(join(import.meta.dir, "cluster.ts"))});
  console.log((await Cluster.create({ binary: "/bin/true" })).directory);
  setInterval(() => {}, 1000);
`;

test("Ctrl-C, kill and a terminal that is closed leave nothing behind", async () => {
  for (const [name, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    const child = Bun.spawn([process.execPath, "-e", PROGRAM], { stdout: "pipe" });
    const { value } = await child.stdout.getReader().read();
    const directory = new TextDecoder().decode(value).trim();
    expect(existsSync(directory)).toBe(true);
    child.kill(name);
    await child.exited;
    const { exitCode, signalCode } = child;
    const left = existsSync(directory);
    expect({ name, exitCode, signalCode, left }).toEqual({
      name,
      exitCode: code,
      signalCode: null,
      left: false,
    });
  }
}, 60_000);
