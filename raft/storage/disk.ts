/**
 * The few file operations that the log needs, synchronous on purpose: the caller is a Worker, a test or the
 * simulator. Names are relative to one directory. Every method throws the system's error; no caller retries.
 */

export interface DiskFile {
  /** Writes all of `bytes`, or throws. They are not durable before `datasync`. */
  write(bytes: Uint8Array, offset: number): void;
  datasync(): void;
  close(): void;
}

export interface Disk {
  list(): string[];
  read(name: string): Uint8Array;
  /** Creates a file, or empties an existing one. Its name is durable after `syncDirectory`. */
  create(name: string): DiskFile;
  open(name: string): DiskFile;
  rename(from: string, to: string): void;
  remove(name: string): void;
  syncDirectory(): void;
  /** Bytes that an ordinary user may still fill. */
  freeBytes(): number;
}
