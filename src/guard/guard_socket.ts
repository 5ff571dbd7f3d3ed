/**
 * The place of the guard's socket on disk, and the lock beside it. Owns this invariant: one guard serves a
 * place, the one that holds the lock of the file `guard.lock` in it.
 */
import { chmodSync, closeSync, fstatSync, mkdirSync, openSync, statSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import type { SocketHandler, UnixSocketListener } from "bun";
import { lockFile } from "../lib/ffi.ts";

/** The directory of the socket, this guard's alone; null when another guard holds it. */
export function prepareDirectory(socketPath: string): number | null {
  const dir = dirname(socketPath);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  chmodSync(dir, 0o700);
  const fd = openSync(lockPath(socketPath), "w", 0o600);
  if (lockFile(fd).ok) return fd;
  closeSync(fd);
  return null;
}

function lockPath(socketPath: string): string {
  return join(dirname(socketPath), "guard.lock");
}

export class GuardSocket<Data> {
  readonly #path: string;
  /** The lock that this process holds; another program that it becomes goes on with it. */
  #lockFd: number;
  readonly #handler: SocketHandler<Data | null>;
  #listener: UnixSocketListener<Data | null> | null = null;
  #identity = "";

  /** `lockFd`: of prepareDirectory. */
  constructor(path: string, lockFd: number, handler: SocketHandler<Data | null>) {
    this.#path = path;
    this.#lockFd = lockFd;
    this.#handler = handler;
  }

  /** Throws where it cannot be made. */
  listen(): void {
    // Stopping a listener removes whatever is at its path: that comes before the new socket is there.
    this.#stop();
    removeIfThere(this.#path);
    this.#listener = Bun.listen<Data | null>({ unix: this.#path, data: null, socket: this.#handler });
    chmodSync(this.#path, 0o600);
    this.#identity = identityOf(statSync(this.#path));
  }

  get lockFd(): number {
    return this.#lockFd;
  }

  /**
   * Makes a socket that is gone anew; connections stay. True: it did. The lock counts that is in the place
   * now, as the one from before may be of a file that is gone: where another guard holds it, the socket
   * there is that guard's. Throws where it cannot be made.
   */
  remake(): boolean {
    if (this.isThere() || !this.#lockPlace()) return false;
    this.listen();
    return true;
  }

  /** Looks at the disk, as `remake` does. */
  isThere(): boolean {
    return identityAt(this.#path) === this.#identity;
  }

  /** Before the lock falls with the process: the next guard makes its own. */
  close(): void {
    // The runtime removes what is at the path, also another guard's: then the end of the process has to do.
    if (this.isThere()) this.#stop();
  }

  #stop(): void {
    this.#listener?.stop();
    this.#listener = null;
  }

  #lockPlace(): boolean {
    if (identityAt(lockPath(this.#path)) === identityOf(fstatSync(this.#lockFd))) return true;
    const fd = prepareDirectory(this.#path);
    if (fd === null) return false;
    closeSync(this.#lockFd);
    this.#lockFd = fd;
    return true;
  }
}

function identityOf({ dev, ino }: { readonly dev: number; readonly ino: number }): string {
  return `${dev}:${ino}`;
}

function identityAt(path: string): string | null {
  try {
    return identityOf(statSync(path));
  } catch (error) {
    if ((error as { code?: unknown }).code === undefined) throw error;
    return null; // removed, with its directory or without
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOENT") throw error;
  }
}
