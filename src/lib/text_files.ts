/**
 * Small files as texts, such as those of a configuration. Whatever a path names, no more is read than such a
 * file may hold.
 */
import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";

export interface TextFile {
  readonly file: string;
  readonly text: string;
}

export interface ReadOptions {
  /** Names of those files of a directory that count. */
  readonly names: RegExp;
  readonly maxBytes: number;
  /** Said of a file that holds more. */
  readonly tooLarge: string;
  /**
   * By a process that runs already. A pipe has given its text away by then, and would hold the process until
   * somebody writes into it. @default false
   */
  readonly again?: boolean;
}

/**
 * The file that a path names, or those of a directory, in the order of their names. Throws what reading
 * throws.
 */
export function readTextFiles(path: string, options: ReadOptions): TextFile[] {
  return filesBehind(path, options).map((file) => {
    if (options.again && !statSync(file).isFile()) {
      throw new Error(`${file} is no ordinary file, and is not read again`);
    }
    return { file, text: readBounded(file, options) };
  });
}

function filesBehind(path: string, { names }: ReadOptions): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).filter((name) => names.test(name)).sort().map((name) => join(path, name));
}

/** Nothing says beforehand how much a pipe or a device gives. */
function readBounded(file: string, { maxBytes, tooLarge }: ReadOptions): string {
  const fd = openSync(file, "r");
  try {
    const bytes = Buffer.alloc(maxBytes + 1);
    let length = 0;
    while (length < bytes.length) {
      const read = readSync(fd, bytes, length, bytes.length - length, null);
      if (read === 0) return bytes.toString("utf8", 0, length);
      length += read;
    }
    throw new Error(`${tooLarge} (${file})`);
  } finally {
    closeSync(fd);
  }
}
