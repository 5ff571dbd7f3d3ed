/**
 * Calls of the C library that the runtime does not offer. This is the only file of raft/ that calls C; the
 * library is opened at the first call.
 */
import { dlopen, FFIType } from "bun:ffi";

/** Call with two integers; returns 0 when it has worked. */
export type Call = (fd: number, value: number) => number;
const SIGNATURE = { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 } as const;

let library: { readonly flock: Call; readonly listen: Call } | null = null;

/** Opens the C library; throws when none is found. */
export function libc(): { readonly flock: Call; readonly listen: Call } {
  if (library) return library;
  const names = process.platform === "darwin"
    ? ["libSystem.B.dylib"]
    : ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];
  let failure: unknown = null;
  for (const name of names) {
    try {
      library = dlopen(name, { flock: SIGNATURE, listen: SIGNATURE }).symbols;
      return library;
    } catch (cause) {
      failure = cause;
    }
  }
  throw new Error("no C library offers flock and listen", { cause: failure });
}
