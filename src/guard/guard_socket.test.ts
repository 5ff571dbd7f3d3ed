/** The socket of a guard and the lock beside it, on disk. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GuardSocket, prepareDirectory } from "./guard_socket.ts";

const HANDLER = { data() {} };

/** `place`: the directory of the socket, with one guard that serves it. */
function withPlace(body: (place: string, path: string, guard: GuardSocket<unknown>) => void): void {
  const root = mkdtempSync(join(tmpdir(), "guard-socket-"));
  const path = join(root, "run", "guard.sock");
  const guard = new GuardSocket(path, prepareDirectory(path)!, HANDLER);
  try {
    guard.listen();
    body(join(root, "run"), path, guard);
  } finally {
    guard.close();
    rmSync(root, { recursive: true });
  }
}

test("a socket that is there stays as it is; one that is gone is made anew, with its lock", () =>
  withPlace((place, path, guard) => {
    const { ino } = statSync(path);
    expect(guard.remake()).toBe(false);
    expect(statSync(path).ino).toBe(ino);
    for (const gone of [["guard.sock"], ["guard.sock", "guard.lock"]]) {
      for (const name of gone) rmSync(join(place, name));
      expect(guard.isThere()).toBe(false);
      expect(guard.remake()).toBe(true);
      expect([guard.isThere(), statSync(path).isSocket(), statSync(path).mode & 0o777]).toEqual([
        true,
        true,
        0o600,
      ]);
      expect(prepareDirectory(path)).toBe(null);
    }
  }));

test("something else in the place of the socket gives way to it; what cannot be removed is an error", () =>
  withPlace((_place, path, guard) => {
    rmSync(path);
    writeFileSync(path, "");
    expect([guard.isThere(), guard.remake(), statSync(path).isSocket()]).toEqual([false, true, true]);
    rmSync(path);
    mkdirSync(join(path, "full"), { recursive: true });
    expect(() => guard.remake()).toThrow();
    rmSync(path, { recursive: true });
    expect([guard.remake(), guard.isThere()]).toEqual([true, true]);
  }));

test("where another guard holds the lock of the place, its socket is left alone, at the end, too", () =>
  withPlace((place, path, guard) => {
    renameSync(place, `${place}.former`);
    const other = new GuardSocket(path, prepareDirectory(path)!, HANDLER);
    other.listen();
    expect([guard.remake(), guard.isThere(), other.isThere()]).toEqual([false, false, true]);
    guard.close();
    expect(other.isThere()).toBe(true);
    other.close();
    expect(existsSync(path)).toBe(false);
  }));
