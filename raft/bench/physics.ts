/** Times of the bare network and disk, in the same run and at the same place. */
import * as fs from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Child } from "./child.ts";
import { summarize, type Summary } from "./summary.ts";

const MESSAGE_BYTES = 250;
const FILE_BYTES = 1024 * 1024;

/** Measures round trips between two processes on loopback. */
export async function measureRoundTrip(count: number): Promise<Summary> {
  const child = new Child(process.execPath, [require.resolve("./echo_process.ts")]);
  const port = Number(await child.line());
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  await new Promise((resolve) => socket.once("connect", resolve));
  const latencies: number[] = [];
  for (let i = 0; i < count; i++) latencies.push(await roundTrip(socket));
  socket.destroy();
  await child.kill();
  return summarize(latencies.slice(count / 10));
}

function roundTrip(socket: ReturnType<typeof connect>): Promise<number> {
  return new Promise((resolve) => {
    let missing = MESSAGE_BYTES;
    const since = performance.now();
    const take = (chunk: Uint8Array) => {
      missing -= chunk.length;
      if (missing > 0) return;
      socket.off("data", take);
      resolve(performance.now() - since);
    };
    socket.on("data", take);
    socket.write(new Uint8Array(MESSAGE_BYTES));
  });
}

/** Measures writes as the log makes them: into a file that was filled with zeros before. */
export function measureFdatasync(directory: string, count: number): Summary {
  const path = join(directory, "fdatasync");
  const fd = fs.openSync(path, "w");
  try {
    fs.writeSync(fd, new Uint8Array(FILE_BYTES), 0, FILE_BYTES, 0);
    fs.fsyncSync(fd);
    const record = new Uint8Array(MESSAGE_BYTES).fill(1);
    const latencies: number[] = [];
    for (let i = 0; i < count; i++) {
      const since = performance.now();
      fs.writeSync(fd, record, 0, record.length, (i * MESSAGE_BYTES) % (FILE_BYTES - MESSAGE_BYTES));
      fs.fdatasyncSync(fd);
      latencies.push(performance.now() - since);
    }
    return summarize(latencies);
  } finally {
    fs.closeSync(fd);
    fs.unlinkSync(path);
  }
}
