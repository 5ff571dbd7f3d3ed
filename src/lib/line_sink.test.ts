import { expect, test } from "bun:test";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StreamSink } from "./line_sink.ts";

/** Both ends of a pipe; the writing end blocks, as a service's standard error does. */
function openPipe(): { read: number; write: number; close(): void } {
  const dir = mkdtempSync(join(tmpdir(), "sink-"));
  const path = join(dir, "fifo");
  Bun.spawnSync(["mkfifo", path]);
  const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const write = openSync(path, constants.O_WRONLY);
  rmSync(dir, { recursive: true });
  return { read, write, close: () => closeSync(read) };
}

function drain(fd: number): string {
  const chunk = new Uint8Array(1 << 20);
  let text = "";
  for (;;) {
    try {
      const length = readSync(fd, chunk);
      if (length === 0) return text;
      text += new TextDecoder().decode(chunk.subarray(0, length));
    } catch {
      return text; // empty for now
    }
  }
}

test("a pipe that nobody reads costs lines, not time, and the loss is said afterwards", async () => {
  const pipe = openPipe();
  const sink = new StreamSink(pipe.write, 10);
  sink.compose = (level, event, text) => `${level} ${event}: ${text}`;
  const line = "x".repeat(1000);
  for (let count = 0; count < 300; count++) sink.write(line);
  let text = "";
  const deadline = Date.now() + 5000;
  while (!text.includes("log lines lost") && Date.now() < deadline) {
    text += drain(pipe.read);
    await Bun.sleep(10);
  }
  const written = text.split("\n").filter((found) => found === line).length;
  expect(written).toBeGreaterThan(9);
  expect(text).toContain(`warning log.lost: ${300 - written} log lines lost: they were not read\n`);
  expect({ lost: sink.lost, queued: sink.queued }).toEqual({ lost: 300 - written, queued: 0 });
  sink.close();
  pipe.close();
  closeSync(pipe.write);
});

test("a reader that is gone is no error", () => {
  const pipe = openPipe();
  pipe.close();
  const sink = new StreamSink(pipe.write);
  expect(() => sink.write("into the void")).not.toThrow();
  expect(sink.lost).toBe(1);
  closeSync(pipe.write);
});
