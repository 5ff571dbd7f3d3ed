/** The place where a command reads and writes: the terminal, or a test. */

export interface Io {
  /** Writes a line to standard output. */
  out(line: string): void;
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
  readonly isTerminal: boolean;
  readonly environment: { readonly [name: string]: string | undefined };
}
