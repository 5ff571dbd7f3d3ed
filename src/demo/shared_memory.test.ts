import { expect, test } from "bun:test";
import { parseMaps } from "./shared_memory.ts";

test("PostgreSQL's segments are told from other mappings", () => {
  const maps = [
    "7f8d0c000000-7f8d0c021000 rw-p 00000000 00:00 0 ",
    "7f8d1a2b3000-7f8d1a2b4000 rw-s 00000000 00:01 98341                      /SYSV005a3f21 (deleted)",
    "7f8d1a2b4000-7f8d1a2c0000 rw-s 00000000 00:1a 7123                       /dev/shm/PostgreSQL.1003247366",
    "7f8d1a2c0000-7f8d1a2d0000 rw-s 00000000 00:01 1025                       /dev/zero (deleted)",
    "7f8d1a2d0000-7f8d1a2e0000 rw-s 00000000 00:1a 7125                       /dev/shm/other.1",
    "55d5a0a00000-55d5a0b00000 r-xp 00000000 fe:00 2345                       /usr/lib/postgresql/15/bin/postgres",
  ].join("\n");
  expect(parseMaps(maps)).toEqual({ files: ["/dev/shm/PostgreSQL.1003247366"], segments: ["98341"] });
});
