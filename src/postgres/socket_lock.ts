/**
 * Lock files of Unix sockets that name no process. PostgreSQL does not start beside one, and says itself that
 * it may be what a crash of the host has left: the file was made, and its content had not reached the disk.
 * A server that starts writes its content a moment later, so that an older file without one is nobody's; and
 * nobody listens at the socket.
 */
import { connect } from "node:net";
import { lstatSync } from "node:fs";
import { errorCode, exists, join, readText, removeFile } from "./disk.ts";

/** A server that begins to start writes its lock file within milliseconds. */
const SETTLED_MS = 10_000;
const CONNECT_MS = 500;

export interface SocketLockOptions {
  /** Directories of the sockets, as the server has them. */
  readonly directories: readonly string[];
  readonly port: number;
  /** Wall clock, as the file system has it. */
  readonly nowMs: number;
  readonly info: (text: string) => void;
}

/** Removes those that are nobody's. One that cannot be removed is left: PostgreSQL will name it. */
export async function removeStaleSocketLocks(options: SocketLockOptions): Promise<void> {
  const { directories, port, nowMs, info } = options;
  for (const directory of directories) {
    const socket = join(directory, `.s.PGSQL.${port}`);
    const lock = `${socket}.lock`;
    if (!isNameless(lock, nowMs) || await somebodyListens(socket)) continue;
    // Another server may have taken it since.
    if (!isNameless(lock, nowMs)) continue;
    try {
      removeFile(lock);
      info(`removing ${lock}: it names no process, and nobody listens at that socket`);
    } catch (error) {
      if (errorCode(error) === null) throw error;
    }
  }
}

/** Names no process, and has stood for a while. A clock that was set back makes a file older, too. */
function isNameless(lock: string, nowMs: number): boolean {
  try {
    const found = lstatSync(lock, { throwIfNoEntry: false });
    if (found?.isFile() !== true || Math.abs(nowMs - found.mtimeMs) < SETTLED_MS) return false;
    const pid = Number.parseInt(readText(lock) ?? "", 10);
    return Number.isNaN(pid) || pid === 0;
  } catch (error) {
    if (errorCode(error) === null) throw error;
    return false; // What cannot be read says nothing.
  }
}

/** Also true where that cannot be known. */
function somebodyListens(socket: string): Promise<boolean> {
  if (!exists(socket)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const client = connect(socket);
    const done = (listens: boolean) => {
      clearTimeout(timer);
      client.destroy();
      resolve(listens);
    };
    const timer = setTimeout(() => done(true), CONNECT_MS);
    client.once("connect", () => done(true));
    client.once("error", (error) => done(!["ECONNREFUSED", "ENOENT"].includes(errorCode(error) ?? "")));
  });
}
