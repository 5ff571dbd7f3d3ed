import { expect, test } from "bun:test";
import { type KeptMachine, parseMachine, UNKNOWN_HOST, whyAnotherMachine } from "./machine.ts";

const KEPT: KeptMachine = {
  machine: "m1",
  boot: "b1",
  device: "8:1",
  inode: "42",
  host: "h1",
  dataDir: "/data/pg",
};

const CASES: [string, Partial<KeptMachine>, RegExp | null][] = [
  ["a restart of the agent is the same machine", {}, null],
  ["so is a network card that came or went while the host runs", { host: "h2" }, null],
  ["and a reboot, though device numbers have changed", { boot: "b2", device: "8:17" }, null],
  ["a copy of the directory is another one", { inode: "43" }, /copy/],
  ["a snapshot of its file system, too, beside it on the same host", { device: "8:2" }, /another device/],
  ["a cloned virtual machine has other network cards", { boot: "b2", host: "h2" }, /another host/],
  [
    "a container that was started anew cannot be told from a copy",
    { boot: "b2", host: UNKNOWN_HOST },
    /cannot be told/,
  ],
  ["while it runs its directory tells, as anywhere", { host: UNKNOWN_HOST }, null],
  ["another data directory means other processes", { dataDir: "/data/pg2" }, /data_dir was/],
];

for (const [name, change, expected] of CASES) {
  test(name, () => {
    const why = whyAnotherMachine(KEPT, { ...KEPT, ...change });
    if (expected === null) expect(why).toBeNull();
    else expect(why).toMatch(expected);
  });
}

test("what was written is read again, and a torn file is none", () => {
  const text = JSON.stringify(KEPT);
  expect(parseMachine(text)).toEqual(KEPT);
  for (const torn of ["", "{", "null", "7", text.slice(0, -5), '{"machine":"m1"}']) {
    expect(parseMachine(torn)).toBeNull();
  }
});
