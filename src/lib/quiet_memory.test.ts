import { afterAll, beforeAll, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

let directory: string;
beforeAll(() => directory = mkdtempSync(join(tmpdir(), "quiet-")));
afterAll(() => rmSync(directory, { recursive: true }));

/** Starts itself anew as `agent run` does, and then tells what it has. */
const PROGRAM = `
import { readFileSync } from "node:fs";
import { letSignalsIn, MEMORY_VARIABLE, startQuiet } from ${
  JSON.stringify(`${import.meta.dir}/quiet_memory.ts`)
};
import { keepOverExec } from ${JSON.stringify(`${import.meta.dir}/ffi.ts`)};
if (process.env[MEMORY_VARIABLE] === undefined) {
  // As the runtime of a compiled program does with all of them.
  keepOverExec(3, false);
  throw new Error(startQuiet([process.argv0, Bun.main]));
}
const status = () => readFileSync("/proc/self/status", "utf8");
const blocked = () => parseInt(/SigBlk:\\s*(\\w+)/.exec(status())[1], 16) & 0x4003;
const started = blocked();
letSignalsIn();
console.log(JSON.stringify({
  pid: process.pid,
  name: /Name:\\s*(.*)/.exec(status())[1],
  blocked: [started, blocked()],
  handedOver: readFileSync("/dev/fd/3", "utf8"),
}));
`;

test("a program that starts itself anew keeps its name, its pid and what was handed over to it", async () => {
  const [program, link, file] = ["program.ts", "patroni", "file"].map((name) => join(directory, name));
  writeFileSync(program!, PROGRAM);
  symlinkSync(process.execPath, link!);
  writeFileSync(file!, "scope: main");
  const fd = openSync(file!, "r");
  try {
    const child = Bun.spawn([link!, program!], { stdio: ["ignore", "pipe", "inherit", fd] });
    expect(JSON.parse(await new Response(child.stdout).text())).toEqual({
      pid: child.pid,
      name: "patroni",
      // SIGHUP, SIGINT and SIGTERM wait for their handlers.
      blocked: [0x4003, 0],
      handedOver: "scope: main",
    });
  } finally {
    closeSync(fd);
  }
});
