/**
 * What makes a host slow, each in a process of its own, until it is killed. usage: stress_process.ts fsync
 * FILE writes and waits for the disk; prints the number of fsyncs so far, each second
 *        stress_process.ts heap BYTES      keeps so much alive in small objects, replaces them bit by bit and
 *        collects the garbage; prints the number of collections so far, each second
 *        stress_process.ts memory BYTES    takes memory until only BYTES are available, and gives back when others need it
 */
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";

const BLOCK_BYTES = 64 * 1024;
const FILE_BYTES = 32 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024 * 1024;
/** A heap is as many tables of objects of about this size; one table is replaced before each collection. */
const HEAP_TABLES = 64;
const OBJECT_BYTES = 320;
const COLLECT_MS = 500;
const LOOK_MS = 50;
const SAY_MS = 1000;

const [kind, argument] = process.argv.slice(2) as [string, string];
if (kind === "fsync") stormOf(argument);
else if (kind === "heap") collectAgain(Number(argument));
else if (kind === "memory") pressUntil(Number(argument));
else throw new Error(`unknown: ${kind}`);

function stormOf(path: string): never {
  const file = openSync(path, "w");
  const block = Buffer.alloc(BLOCK_BYTES, 0x5a);
  let saidMs = 0;
  for (let count = 1;; count++) {
    try {
      writeSync(file, block, 0, BLOCK_BYTES, (count * BLOCK_BYTES) % FILE_BYTES);
      // Blocks that must be allocated anew cost the journal as well.
      if (count % (FILE_BYTES / BLOCK_BYTES) === 0) ftruncateSync(file, 0);
      fsyncSync(file);
    } catch (error) {
      closeSync(file);
      throw error;
    }
    if (performance.now() - saidMs < SAY_MS) continue;
    saidMs = performance.now();
    process.stdout.write(`${count}\n`);
  }
}

function collectAgain(liveBytes: number): void {
  // As it does the one below: it is not what the measurement is about.
  writeFileSync("/proc/self/oom_score_adj", "1000");
  const tables = Array.from({ length: HEAP_TABLES }, () => new Map<number, object>());
  const perTable = liveBytes / OBJECT_BYTES / HEAP_TABLES;
  let collections = 0;
  let round = 0;
  setInterval(() => {
    const table = tables[round++ % HEAP_TABLES]!;
    for (let i = 0; i < perTable; i++) table.set(i, { i, text: `${round} ${i}`, list: [i, round, {}] });
    if (round <= HEAP_TABLES) return; // it is not full yet
    Bun.gc(true);
    collections++;
  }, COLLECT_MS);
  setInterval(() => process.stdout.write(`${collections}\n`), SAY_MS);
}

function pressUntil(leftBytes: number): void {
  // If memory still runs out, the kernel kills this process first.
  writeFileSync("/proc/self/oom_score_adj", "1000");
  const held: Buffer[] = [];
  setInterval(() => {
    const spareBytes = availableBytes() - leftBytes;
    // A page counts once it is written to.
    if (spareBytes > CHUNK_BYTES) held.push(Buffer.alloc(CHUNK_BYTES, 0x5a));
    else if (spareBytes < 0 && held.pop() !== undefined) Bun.gc(true);
    // Pages that nobody looks at would be the first to go.
    const one = held[Math.floor(Math.random() * held.length)];
    if (one !== undefined) { for (let at = 0; at < one.length; at += 4096) one[at] = 0xa5; }
  }, LOOK_MS);
  setInterval(() => process.stdout.write(`${held.length * CHUNK_BYTES}\n`), SAY_MS);
}

function availableBytes(): number {
  return Number(/^MemAvailable:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "latin1"))?.[1]) * 1024;
}
