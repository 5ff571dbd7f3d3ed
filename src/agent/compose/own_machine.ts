/**
 * Reads, or makes, the machine id of this member: `machine.json` in the raft directory (src/model/machine.ts
 * says what it stands for). Throws when it cannot be kept: a start that could not name its machine could not
 * hold the lock.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Log } from "../../lib/log.ts";
import { bootId } from "../../lib/process_table.ts";
import { replaceFile } from "../../lib/replace_file.ts";
import { randomHex } from "../../lib/random.ts";
import type { Life } from "../../model/life.ts";
import {
  type KeptMachine,
  type MachinePlace,
  parseMachine,
  UNKNOWN_HOST,
  whyAnotherMachine,
} from "../../model/machine.ts";

export function ownMachine(raftDir: string, dataDir: string, log: Log): Pick<Life, "machine" | "boot"> {
  written(raftDir, () => mkdirSync(raftDir, { recursive: true, mode: 0o700 }));
  const path = join(raftDir, "machine.json");
  const here = placeOf(raftDir, dataDir);
  const text = readText(path);
  const kept = text === null ? null : parseMachine(text);
  const why = kept === null ? null : whyAnotherMachine(kept, here);
  const isSame = kept !== null && why === null;
  if (why !== null) {
    log.warning("machine", `${why}: this is another machine now, and takes over no lease from before`);
  }
  const next: KeptMachine = { machine: isSame ? kept.machine : randomHex(16), ...here };
  if (kept === null || JSON.stringify(next) !== JSON.stringify(kept)) {
    // Durable before the lock is granted to it.
    const record = `${JSON.stringify(next)}\n`;
    written(raftDir, () => replaceFile(path, record, { mode: 0o600, durable: true }));
  }
  return { machine: next.machine, boot: next.boot };
}

/** Names the setting in the failure of a disk that is full, may only be read, or belongs to another user. */
function written(raftDir: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    throw new Error(`raft.data_dir: ${raftDir} cannot be written: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function placeOf(raftDir: string, dataDir: string): MachinePlace {
  const { dev, ino } = statSync(raftDir, { bigint: true });
  const cards = networkCards();
  return {
    boot: digest([bootId(), linkText("/proc/self/ns/pid")]),
    device: String(dev),
    inode: String(ino),
    host: cards.length === 0 ? UNKNOWN_HOST : digest([readText("/etc/machine-id") ?? "", ...cards]),
    dataDir: resolved(dataDir),
  };
}

/** Where a path leads, though its last parts may not exist yet. */
function resolved(path: string): string {
  const absolute = resolve(path);
  if (existsSync(absolute)) return realpathSync(absolute);
  const parent = dirname(absolute);
  return parent === absolute ? absolute : join(resolved(parent), basename(absolute));
}

/** Addresses of the network cards, without those that software made. */
function networkCards(): string[] {
  const directory = "/sys/class/net";
  try {
    return readdirSync(directory).filter((name) => existsSync(join(directory, name, "device")))
      .map((name) => readText(join(directory, name, "address")) ?? "").sort();
  } catch (error) {
    if ((error as { code?: unknown }).code === undefined) throw error;
    return []; // no /sys here
  }
}

function digest(parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts.map((part) => part.trim()))).digest("hex").slice(
    0,
    32,
  );
}

function linkText(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    if ((error as { code?: unknown }).code === undefined) throw error;
    return ""; // a kernel without namespaces has one
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as { code?: unknown }).code === undefined) throw error;
    return null;
  }
}
