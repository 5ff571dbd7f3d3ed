import { expect, test } from "bun:test";
import { readFileSync, realpathSync } from "node:fs";
import { letGoOfCode, untouchedPages } from "./idle_code.ts";

/** As the kernel writes it, with the rows that count. */
function mapping(head: string, rows: { readonly anonymous?: number; readonly swap?: number } = {}): string {
  return [
    head,
    "Size:                 64 kB",
    "Rss:                  64 kB",
    `Anonymous:      ${String(rows.anonymous ?? 0).padStart(8)} kB`,
    `Swap:           ${String(rows.swap ?? 0).padStart(8)} kB`,
    "VmFlags: rd ex mr mw me dw",
    "",
  ].join("\n");
}

const CODE = "01a40000-06849000 r-xp 01838000 08:01 1234                       /usr/bin/agent";
const CONSTANTS = "00200000-01a39000 r--p 00000000 08:01 1234                       /usr/bin/agent";

test("instructions and constants of the executable are given back", () => {
  expect(untouchedPages(mapping(CONSTANTS) + mapping(CODE), "/usr/bin/agent")).toEqual([
    { address: 0x200000, bytes: 0x1a39000 - 0x200000 },
    { address: 0x1a40000, bytes: 0x6849000 - 0x1a40000 },
  ]);
});

test("what was written to, is in swap, can be written to, or is of another file stays", () => {
  const of = (text: string) => untouchedPages(text, "/usr/bin/agent");
  expect(of(mapping(CONSTANTS, { anonymous: 16 }))).toEqual([]);
  expect(of(mapping(CONSTANTS, { swap: 16 }))).toEqual([]);
  expect(of(mapping(CODE.replace("r-xp", "rw-p")))).toEqual([]);
  expect(of(mapping(CODE.replace("r-xp", "rwxp")))).toEqual([]);
  expect(of(mapping(CODE.replace("r-xp", "r-xs")))).toEqual([]);
  expect(of(mapping(CODE.replace("/usr/bin/agent", "/usr/lib/libc.so.6")))).toEqual([]);
  expect(of(mapping(CODE.replace("/usr/bin/agent", "")))).toEqual([]);
  // A kernel without swap support says nothing of it: nobody knows, so nothing is done.
  expect(of(mapping(CODE).replace(/^Swap.*\n/m, ""))).toEqual([]);
});

/** Mapped bytes of this program's instructions. */
function residentCode(): number {
  const own = readFileSync("/proc/self/smaps", "latin1").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
    .filter((one) => one.includes(" r-xp ") && one.split("\n")[0]!.endsWith(realpathSync("/proc/self/exe")));
  return own.reduce((sum, one) => sum + Number(/^Rss: +(\d+) kB$/m.exec(one)![1]), 0);
}

test("this very process has fewer pages afterwards, and goes on", () => {
  const before = residentCode();
  expect(letGoOfCode()).toBeNull();
  expect(residentCode()).toBeLessThan(before);
  expect(JSON.parse(JSON.stringify({ words: ["a", "b"].map((word) => word.toUpperCase()) }))).toEqual({
    words: ["A", "B"],
  });
});

const LOCKED = `
import { readFileSync } from "node:fs";
import { letGoOfCode } from ${JSON.stringify(`${import.meta.dir}/idle_code.ts`)};
import { lockMemory } from ${JSON.stringify(`${import.meta.dir}/ffi.ts`)};
const mapped = () => Number(/^RssFile:\\s+(\\d+)/m.exec(readFileSync("/proc/self/status", "latin1"))[1]);
const locked = lockMemory().ok;
const before = mapped();
console.log(JSON.stringify({ locked, why: letGoOfCode(), fewer: mapped() < before }));
`;

test("locked memory stays, without a complaint", () => {
  const { stdout } = Bun.spawnSync([process.execPath, "-e", LOCKED]);
  const { locked, why, fewer } = JSON.parse(stdout.toString()) as Record<string, unknown>;
  expect(why).toBeNull();
  // An ordinary user may be allowed too little for it.
  expect(fewer).toBe(!locked);
});
