/**
 * Calls of the C library that the runtime does not offer. This is the only file of raft/ that calls C; the
 * library is opened at the first call.
 */
import { dlopen, FFIType, type Pointer, ptr } from "bun:ffi";

/** Call with two integers; returns 0 when it has worked. */
export type Call = (fd: number, value: number) => number;
const SIGNATURE = { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 } as const;
const SETSOCKOPT = {
  args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.u32],
  returns: FFIType.i32,
} as const;

export interface CLibrary {
  readonly flock: Call;
  readonly listen: Call;
  /** Returns 0 when it has worked. */
  readonly setsockopt: (fd: number, level: number, name: number, value: Pointer, bytes: number) => number;
}

let library: CLibrary | null = null;

/** Opens the C library; throws when none is found. */
export function libc(): CLibrary {
  if (library) return library;
  const names = process.platform === "darwin"
    ? ["libSystem.B.dylib"]
    : ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];
  let failure: unknown = null;
  for (const name of names) {
    try {
      library = dlopen(name, { flock: SIGNATURE, listen: SIGNATURE, setsockopt: SETSOCKOPT }).symbols;
      return library;
    } catch (cause) {
      failure = cause;
    }
  }
  throw new Error("no C library offers flock, listen and setsockopt", { cause: failure });
}

/** Address of the bytes, for a C call; they must be kept for as long as C may read them. */
export function pointerTo(bytes: Uint8Array): Pointer {
  return ptr(bytes);
}
