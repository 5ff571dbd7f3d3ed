import { expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kill, lockFile, readLink, sendDatagram, shareByte, sharedByte } from "./ffi.ts";

test("a refused call is a value with its name", () => {
  expect(kill(2 ** 22 + 1, 0)).toEqual({ ok: false, errno: 3, name: "ESRCH" });
  expect(sendDatagram("/nonexistent/socket", "READY=1")).toEqual({ ok: false, errno: 2, name: "ENOENT" });
  expect(readLink("/nonexistent")).toBeNull();
});

test("a file is locked once, and free again after its close", () => {
  const dir = mkdtempSync(join(tmpdir(), "lock-"));
  const first = openSync(join(dir, "lock"), "w");
  const second = openSync(join(dir, "lock"), "w");
  expect(lockFile(first).ok).toBe(true);
  expect(lockFile(second)).toEqual({ ok: false, errno: 11, name: "EAGAIN" });
  closeSync(first);
  expect(lockFile(second).ok).toBe(true);
  closeSync(second);
  rmSync(dir, { recursive: true });
});

test("a byte of a directory is shared under a name, beside its lock, until the close", () => {
  const dir = mkdtempSync(join(tmpdir(), "lock-"));
  const [first, second] = [openSync(dir, "r"), openSync(dir, "r")];
  expect(sharedByte(second)).toBeNull();
  const far = 2 ** 47 + 5;
  expect(shareByte(first, far).ok).toBe(true);
  expect(sharedByte(second)).toBe(far);
  expect(sharedByte(first)).toBeNull();
  expect(lockFile(second).ok).toBe(true);
  closeSync(first);
  expect(sharedByte(second)).toBeNull();
  closeSync(second);
  rmSync(dir, { recursive: true });
});

test("execv keeps the pid, keeps the environment, and reports a failure", () => {
  const script = `import { execv } from "${import.meta.dir}/ffi.ts";
    const failed = execv("/nonexistent", ["x"]);
    execv("/bin/sh", ["sh", "-c", "echo " + failed.name + " $$ $MARK"]);`;
  const child = Bun.spawn([process.execPath, "-e", script], {
    env: { ...process.env, MARK: "kept" },
    stdout: "pipe",
  });
  return new Response(child.stdout).text().then((text) => expect(text).toBe(`ENOENT ${child.pid} kept\n`));
});
