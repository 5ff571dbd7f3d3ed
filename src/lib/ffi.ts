/**
 * System calls that the runtime does not offer, through libc. The only file of src/ that touches bun:ffi.
 * Opened at the first call, never at import. Every wrapper returns a value ({ok} or {errno, name}) and never
 * throws for a call that the kernel refuses. Calls here block the thread as the system call does: nothing
 * that waits belongs here.
 */
import { dlopen, ptr, read } from "bun:ffi";
import { constants } from "node:os";
import { EINTR, errnoName } from "./errno.ts";

export type SysResult =
  | { readonly ok: true; readonly value: number }
  | { readonly ok: false; readonly errno: number; readonly name: string };

const declarations = {
  __errno_location: { args: [], returns: "ptr" },
  clock_gettime: { args: ["i32", "ptr"], returns: "i32" },
  prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
  execv: { args: ["ptr", "ptr"], returns: "i32" },
  setenv: { args: ["ptr", "ptr", "i32"], returns: "i32" },
  getppid: { args: [], returns: "i32" },
  setsid: { args: [], returns: "i32" },
  signal: { args: ["i32", "ptr"], returns: "ptr" },
  sigprocmask: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  mlockall: { args: ["i32"], returns: "i32" },
  madvise: { args: ["u64", "u64", "i32"], returns: "i32" },
  sched_setscheduler: { args: ["i32", "i32", "ptr"], returns: "i32" },
  setpriority: { args: ["i32", "u32", "i32"], returns: "i32" },
  getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
  flock: { args: ["i32", "i32"], returns: "i32" },
  ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
  fcntl: { args: ["i32", "i32", "u64"], returns: "i32" },
  memfd_create: { args: ["ptr", "u32"], returns: "i32" },
  dup2: { args: ["i32", "i32"], returns: "i32" },
  waitpid: { args: ["i32", "ptr", "i32"], returns: "i32" },
  kill: { args: ["i32", "i32"], returns: "i32" },
  poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  readlink: { args: ["ptr", "ptr", "u64"], returns: "i64" },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i64" },
} as const;

function open() {
  const errors: string[] = [];
  for (const name of ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1", "libc.so"]) {
    try {
      return dlopen(name, declarations).symbols;
    } catch (error) {
      errors.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const why = errors.some((error) => error.includes("JIT"))
    ? "memory that is written and then run is forbidden here, and the program needs it: " +
      "MemoryDenyWriteExecute= of its unit, execmem of SELinux, or BUN_JSC_useJIT in its environment"
    : errors.join("; ");
  throw new Error(`cannot open the C library: ${why}`);
}

let opened: ReturnType<typeof open> | null = null;

function libc(): ReturnType<typeof open> {
  opened ??= open();
  return opened;
}

function lastErrno(): number {
  const location = libc().__errno_location();
  return location === null ? 0 : read.i32(location, 0);
}

function result(returned: number | bigint): SysResult {
  const value = Number(returned);
  if (value >= 0) return { ok: true, value };
  const errno = lastErrno();
  return { ok: false, errno, name: errnoName(errno) };
}

function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

export const CLOCK_MONOTONIC = 1;
/** Processor time of the calling thread. */
export const CLOCK_THREAD_CPUTIME = 3;
export const CLOCK_MONOTONIC_RAW = 4;
export const CLOCK_BOOTTIME = 7;

const timespec = new Uint32Array(4);

/**
 * Milliseconds of a kernel clock, with the fraction. Allocates nothing: called before every decision on time.
 */
export function clockMs(clock: number): number {
  if (libc().clock_gettime(clock, timespec) !== 0) {
    throw new Error(`clock_gettime(${clock}): ${errnoName(lastErrno())}`);
  }
  return ((timespec[1] ?? 0) * 4294967296 + (timespec[0] ?? 0)) * 1000 + (timespec[2] ?? 0) / 1e6;
}

const PR_SET_PDEATHSIG = 1;

/** The kernel sends `signal` to this process when the thread that started it ends. Survives execv. */
export function setParentDeathSignal(signal: number): SysResult {
  return result(libc().prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0));
}

/** The parent right now (a cached value could name one that is gone). */
export function parentPid(): number {
  return libc().getppid();
}

export function setSession(): SysResult {
  return result(libc().setsid());
}

/** Pointers to NUL-terminated strings, ended by NULL. `keep` must stay referenced until the call is over. */
function stringVector(strings: readonly string[]): { vector: BigUint64Array; keep: Uint8Array[] } {
  const keep = strings.map(cString);
  const vector = new BigUint64Array(strings.length + 1);
  keep.forEach((bytes, index) => vector[index] = BigInt(ptr(bytes)));
  return { vector, keep };
}

/**
 * Sets a variable for a program that follows by execv. The runtime keeps a copy of its own: process.env does
 * not change.
 */
export function setVariable(name: string, value: string): SysResult {
  return result(libc().setenv(cString(name), cString(value), 1));
}

/**
 * Replaces this process by `path`, keeping the environment it was started with, and what setVariable has set.
 * Returns only on failure.
 */
export function execv(path: string, argv: readonly string[]): SysResult {
  const args = stringVector(argv);
  const failed = result(libc().execv(cString(path), args.vector));
  args.keep.length = 0;
  return failed;
}

const SIG_SETMASK = 2;
const SIGNALS = 64;

/**
 * Default action for every signal and an empty mask, so that the program that follows starts like from a
 * shell.
 */
export function resetSignals(): void {
  for (let signal = 1; signal <= SIGNALS; signal++) libc().signal(signal, null);
  libc().sigprocmask(SIG_SETMASK, new Uint8Array(128), null);
}

const SIG_BLOCK = 0;
const SIG_UNBLOCK = 1;

/** Holds signals back on this thread, over an execv as well, or lets them in again. */
export function blockSignals(signals: readonly number[], blocked: boolean): SysResult {
  const set = new Uint8Array(128);
  for (const signal of signals) {
    set[(signal - 1) >> 3] = (set[(signal - 1) >> 3] ?? 0) | (1 << ((signal - 1) & 7));
  }
  return result(libc().sigprocmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, set, null));
}

const WNOHANG = 1;

/**
 * How a child has ended, which is reaped by that; null while it lives. For children that the runtime did not
 * start (it waits for its own). A process that is no child of this one is reported as ended, in an unknown
 * way.
 */
export function reapChild(pid: number): { code: number | null; signal: string | null } | null {
  const status = new Int32Array(1);
  const returned = libc().waitpid(pid, status, WNOHANG);
  if (returned === 0) return null;
  if (returned < 0) return lastErrno() === EINTR ? null : { code: null, signal: null };
  const number = (status[0] ?? 0) & 0x7f;
  if (number === 0) return { code: ((status[0] ?? 0) >> 8) & 0xff, signal: null };
  const name = Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
  return { code: null, signal: name ?? String(number) };
}

const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** Whether a program that replaces this one, or a child, gets the descriptor. */
export function keepOverExec(fd: number, keep: boolean): SysResult {
  return result(libc().fcntl(fd, F_SETFD, keep ? 0 : FD_CLOEXEC));
}

/** Makes `to` the same open file as `from`; programs that follow get it. */
export function duplicate(from: number, to: number): SysResult {
  return result(libc().dup2(from, to));
}

const MFD_CLOEXEC = 1;

/** A file that lies in memory only, and is gone with its last descriptor. */
export function memoryFile(name: string): SysResult {
  return result(libc().memfd_create(cString(name), MFD_CLOEXEC));
}

const MCL_CURRENT = 1;
const MCL_FUTURE = 2;
const MCL_ONFAULT = 4;

/** Pages stay in memory once touched, so that a host that swaps cannot delay this process. */
export function lockMemory(): SysResult {
  return result(libc().mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT));
}

const MADV_DONTNEED = 4;

/**
 * The process lets go of these pages. What was written to them is lost; a page of a file is read from it
 * again when it is touched. EINVAL: they are locked.
 */
export function discardPages(address: number, bytes: number): SysResult {
  return result(libc().madvise(address, bytes, MADV_DONTNEED));
}

export const SCHED_OTHER = 0;
export const SCHED_RR = 2;
/** Children start with the default policy and nice value. */
export const SCHED_RESET_ON_FORK = 0x40000000;

/** Scheduling policy of the calling thread. */
export function setScheduler(policy: number, priority: number): SysResult {
  return result(libc().sched_setscheduler(0, policy, new Int32Array([priority])));
}

/** Nice value of the calling process, -20 to 19. */
export function setPriority(nice: number): SysResult {
  return result(libc().setpriority(0, 0, nice));
}

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

/** The process at the other end of a connected Unix socket; null when the kernel does not say. */
export function peerCredentials(fd: number): { pid: number; uid: number; gid: number } | null {
  const credentials = new Int32Array(3);
  const returned = libc().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, new Uint32Array([12]));
  if (returned !== 0) return null;
  return { pid: credentials[0] ?? 0, uid: credentials[1] ?? 0, gid: credentials[2] ?? 0 };
}

const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Takes the lock of an open file without waiting; EAGAIN when another process holds it. Held until the fd
 * closes.
 */
export function lockFile(fd: number): SysResult {
  return result(libc().flock(fd, LOCK_EX | LOCK_NB));
}

const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
const F_RDLCK = 0;
const F_WRLCK = 1;
const F_UNLCK = 2;

/** struct flock: type and whence, start, length (0: to the end), pid. */
function recordLock(type: number, start: number, length: number): BigInt64Array<ArrayBuffer> {
  return new BigInt64Array([BigInt(type), BigInt(start), BigInt(length), 0n]);
}

/**
 * Takes a shared lock of one byte of an open file or directory, which need not have that byte. It has nothing
 * to do with the lock of `lockFile`. Held until the fd closes.
 */
export function shareByte(fd: number, at: number): SysResult {
  return result(libc().fcntl(fd, F_OFD_SETLK, ptr(recordLock(F_RDLCK, at, 1))));
}

/** The first byte that is locked through another fd; null: none, or the file system has no such locks. */
export function sharedByte(fd: number): number | null {
  const lock = recordLock(F_WRLCK, 0, 0);
  if (libc().fcntl(fd, F_OFD_GETLK, ptr(lock)) !== 0) return null;
  return Number(lock[0]! & 0xffffn) === F_UNLCK ? null : Number(lock[1]);
}

/** ioctl whose argument is a pointer to `argument` (read, written or both, as the request says). */
export function ioctl(fd: number, request: number, argument: Uint8Array | Int32Array | null): SysResult {
  return result(libc().ioctl(fd, request, argument));
}

/** Unlike process.kill it returns the failure (ESRCH, EPERM) instead of throwing it. */
export function kill(pid: number, signal: number): SysResult {
  return result(libc().kill(pid, signal));
}

function closeFd(fd: number): void {
  libc().close(fd);
}

/** No such file; of a link of /proc: the process, or what the link leads to, is gone. */
export const ENOENT = 2;

export const POLLOUT = 4;

/** The events of `events` that are ready on `fd` now; 0 when none. Does not wait. */
export function pollNow(fd: number, events: number): number {
  const entry = new Int32Array([fd, events]);
  const returned = libc().poll(entry, 1, 0);
  if (returned <= 0) return 0;
  return (entry[1] ?? 0) >>> 16;
}

const linkBuffer = new Uint8Array(4096);

/** Target of a symbolic link, or the errno. For /proc scans: no exception for each refusal. */
export function readLinkOrErrno(path: string): string | number {
  const length = Number(libc().readlink(cString(path), linkBuffer, linkBuffer.length));
  return length < 0 ? lastErrno() : new TextDecoder().decode(linkBuffer.subarray(0, length));
}

/** null when it cannot be read. */
export function readLink(path: string): string | null {
  const target = readLinkOrErrno(path);
  return typeof target === "string" ? target : null;
}

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const MSG_NOSIGNAL = 0x4000;

/** One datagram to a Unix socket, as sd_notify sends it ("@name": abstract). Never waits. */
export function sendDatagram(socketPath: string, message: string): SysResult {
  const path = new TextEncoder().encode(socketPath);
  const address = new Uint8Array(2 + path.length + 1);
  address[0] = AF_UNIX;
  address.set(path, 2);
  const abstract = socketPath.startsWith("@");
  if (abstract) address[2] = 0;
  const fd = result(libc().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.ok) return fd;
  const body = new TextEncoder().encode(message);
  const addressBytes = 2 + path.length + (abstract ? 0 : 1);
  let sent = result(libc().sendto(fd.value, body, body.length, MSG_NOSIGNAL, address, addressBytes));
  if (!sent.ok && sent.errno === EINTR) {
    sent = result(libc().sendto(fd.value, body, body.length, MSG_NOSIGNAL, address, addressBytes));
  }
  closeFd(fd.value);
  return sent;
}
