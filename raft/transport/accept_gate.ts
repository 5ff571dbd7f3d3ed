/**
 * Bounds how many connections are accepted in one turn of the event loop. The runtime accepts until the
 * kernel has none ready. The kernel keeps at most 64 ready, but others arrive while these are accepted: where
 * strangers knock as fast as they are turned away, one turn took 471 of them and half a second. So after some
 * connections the gate is shut: a filter on the listening socket drops every packet that would begin or
 * complete a connection, until everything else had its turn. Connections that were accepted have sockets of
 * their own, and are not touched. To a dialer it is a lost packet, as where the kernel's queue is full: its
 * kernel sends it again, and members dial again.
 *
 * A connection that is completed at the very moment in which the gate is shut may inherit the filter and hear
 * nothing. The door's deadline ends it, and a member dials anew.
 */
import { libc, pointerTo } from "../storage/libc.ts";

/** Accepted in one turn before the gate is shut; those that the kernel has ready by then come as well. */
const AT_ONCE = 16;
/** Time for which it stays shut: timers and all other sockets have their turn within it. */
const REST_MS = 1;

/** Numbers of Linux, the same on x86-64 and arm64. */
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SO_DETACH_FILTER = 27;
/**
 * What the kernel is given, in one piece of memory: a filter of one instruction, which keeps 0 bytes of any
 * packet (BPF_RET | BPF_K, 0), and behind it `struct sock_fprog`: one instruction, and where it is.
 */
const INSTRUCTION_BYTES = 8;
const MEMORY = new DataView(new ArrayBuffer(INSTRUCTION_BYTES + 16));
MEMORY.setUint8(0, 6);
MEMORY.setUint8(INSTRUCTION_BYTES, 1);

/** Gate of one listening socket. */
export class AcceptGate {
  /** Its descriptor; -1: it is not known, or not open any more. */
  #fd = -1;
  #accepted = 0;
  #shut = false;

  /** The socket listens. */
  open(fd: number): void {
    this.#fd = fd;
  }

  close(): void {
    this.#fd = -1;
  }

  /** Called for each accepted connection, before anything is done with it. */
  pass(): void {
    if (this.#accepted++ === 0) setImmediate(() => (this.#accepted = 0));
    if (this.#accepted < AT_ONCE || this.#shut || !this.#set(SO_ATTACH_FILTER)) return;
    this.#shut = true;
    setTimeout(() => {
      this.#shut = false;
      this.#set(SO_DETACH_FILTER);
    }, REST_MS);
  }

  /** False: this system has no such filters, and connections are accepted as they come. */
  #set(option: number): boolean {
    if (process.platform !== "linux" || this.#fd < 0) return false;
    // The place is asked for each time: the runtime may move what it keeps.
    const filter = pointerTo(new Uint8Array(MEMORY.buffer));
    MEMORY.setBigUint64(INSTRUCTION_BYTES + 8, BigInt(filter), true);
    const program = pointerTo(new Uint8Array(MEMORY.buffer, INSTRUCTION_BYTES));
    return libc().setsockopt(this.#fd, SOL_SOCKET, option, program, 16) === 0;
  }
}
