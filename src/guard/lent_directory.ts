/**
 * A data directory that the guard has lent to its agent for a command of the user's own: a method of
 * `create_replica_methods` or `bootstrap.method`. pgBackRest, Barman and WAL-G want it empty or not there,
 * and a script may remove it and make it anew. So the guard keeps the lock of whatever directory is at the
 * place, and keeps its file, which names the owner, out of it.
 *
 * Why it still has one owner. The guard's lock refuses every other agent. The file matters while that lock
 * is not held: a guard that was killed is back within 300 ms, and the command has gone on meanwhile. For that
 * time the agent itself holds a second lock on the directory, a shared one of a single byte. The byte stands
 * for the owner's raft directory, so that the owner's next guard tells the lock from that of another agent.
 * The agent takes it before the guard removes its file, and gives it up after the guard has written its file
 * again: at each moment one of the two names the owner. The kernel drops it with the agent, and a command
 * without its agent was never protected.
 */
import { createHash } from "node:crypto";
import { closeSync } from "node:fs";
import type { Clock, Timer } from "../../raft/mod.ts";
import { shareByte, sharedByte } from "../lib/ffi.ts";
import { type HeldDirectory, identityOf, openDirectory } from "./held_directory.ts";

const FOLLOW_MS = 200;
const BYTES = 6;

/** A command of another agent than that of the raft directory works in this open data directory. */
export function isLentByAnother(fd: number, raftDir: string): boolean {
  const byte = sharedByte(fd);
  return byte !== null && byte !== byteOf(raftDir);
}

function byteOf(raftDir: string): number {
  return createHash("sha256").update(identityOf(raftDir) ?? "").digest().readUIntBE(0, BYTES);
}

/** The agent's side: its lock for as long as the command works. */
export class LentDirectory {
  readonly #dataDir: string;
  readonly #raftDir: string;
  readonly #clock: Clock;
  #held: HeldDirectory | null = null;
  #timer: Timer | null = null;

  constructor(dataDir: string, raftDir: string, clock: Clock) {
    this.#dataDir = dataDir;
    this.#raftDir = raftDir;
    this.#clock = clock;
  }

  get isHeld(): boolean {
    return this.#timer !== null;
  }

  /** Locks the directory, and each one that the command puts in its place. */
  hold(): void {
    const found = openDirectory(this.#dataDir);
    if (found !== null && "fd" in found) {
      if (found.inode === this.#held?.inode) closeSync(found.fd);
      else {
        // A file system without such locks has none of the guard's, either.
        shareByte(found.fd, byteOf(this.#raftDir));
        this.#close();
        this.#held = found;
      }
    }
    this.#timer?.cancel();
    this.#timer = this.#clock.after(FOLLOW_MS, () => this.hold());
  }

  release(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#close();
  }

  #close(): void {
    if (this.#held !== null) closeSync(this.#held.fd);
    this.#held = null;
  }
}
