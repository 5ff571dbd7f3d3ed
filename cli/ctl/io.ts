/** The place where a command reads and writes: the terminal, or a test. */
import type { Colour } from "./colour.ts";

export interface Io {
  /** Writes a line to standard output. `colour`: of the whole line, where colours are shown. */
  out(line: string, colour?: Colour): void;
  /** Writes a line to standard error. */
  err(line: string): void;
  /** Writes without ending the line: the text of a question. */
  ask(text: string): void;
  /** Next line of standard input without its end; null at the end of the input. */
  readLine(): Promise<string | null>;
  /** Everything that is left of standard input. */
  readAll(): Promise<string>;
  /** Reads a line as readLine does, without showing it. */
  readSecret(): Promise<string | null>;
  /** Calls `handle` with every key, Ctrl-C included, until the function that is returned is called. */
  onKey(handle: (key: string) => void): () => void;
  readonly isTerminal: boolean;
  /** Size of the terminal in characters; null: there is none, or it does not say. */
  size(): ScreenSize | null;
  readonly environment: { readonly [name: string]: string | undefined };
}

export interface ScreenSize {
  readonly rows: number;
  readonly columns: number;
}
