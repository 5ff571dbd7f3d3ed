/** Standard input and output as an Io. Lines that arrive before they are asked for are kept. */
import { createInterface, type Interface } from "node:readline";
import { shownText } from "../../src/model/plain_text.ts";
import { type Colour, coloured, showsColours } from "./colour.ts";
import type { Io, ScreenSize } from "./io.ts";

export class Terminal implements Io {
  readonly isTerminal = process.stdout.isTTY === true;
  readonly environment = process.env;
  #reader: Interface | null = null;
  readonly #lines: string[] = [];
  readonly #waiting: ((line: string | null) => void)[] = [];
  #ended = false;

  out(line: string, colour?: Colour): void {
    const shown = this.isTerminal ? shownText(line) : line;
    process.stdout.write(`${colour !== undefined && showsColours(this) ? coloured(shown, colour) : shown}\n`);
  }

  err(line: string): void {
    process.stderr.write(`${process.stderr.isTTY ? shownText(line) : line}\n`);
  }

  ask(text: string): void {
    process.stdout.write(text);
  }

  size(): ScreenSize | null {
    const { rows, columns } = process.stdout;
    return this.isTerminal && rows > 0 && columns > 0 ? { rows, columns } : null;
  }

  readLine(): Promise<string | null> {
    this.#open();
    const line = this.#lines.shift();
    if (line !== undefined) return Promise.resolve(line);
    if (this.#ended) return Promise.resolve(null);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async readAll(): Promise<string> {
    const lines: string[] = [];
    for (let line = await this.readLine(); line !== null; line = await this.readLine()) lines.push(line);
    return lines.map((line) => `${line}\n`).join("");
  }

  async readSecret(): Promise<string | null> {
    const { stdin } = process;
    if (!stdin.isTTY) return await this.readLine();
    stdin.setRawMode(true);
    stdin.resume();
    try {
      return await typedSecret(stdin);
    } finally {
      stdin.setRawMode(false);
      stdin.pause();
      process.stdout.write("\n");
    }
  }

  onKey(handle: (key: string) => void): () => void {
    const { stdin } = process;
    if (!stdin.isTTY) return () => {};
    const onData = (chunk: Uint8Array | string) => handle(String(chunk));
    stdin.setRawMode(true);
    stdin.resume();
    stdin.on("data", onData);
    return () => {
      stdin.off("data", onData);
      stdin.setRawMode(false);
      stdin.pause();
    };
  }

  #open(): void {
    if (this.#reader !== null) return;
    this.#reader = createInterface({ input: process.stdin, terminal: false });
    this.#reader.on("line", (line) => {
      const next = this.#waiting.shift();
      if (next) next(line);
      else this.#lines.push(line);
    });
    this.#reader.on("close", () => {
      this.#ended = true;
      for (const next of this.#waiting.splice(0)) next(null);
    });
  }
}

/** Reads keys until Enter; null on Ctrl-C or Ctrl-D. */
function typedSecret(stdin: NodeJS.ReadStream): Promise<string | null> {
  return new Promise((resolve) => {
    let typed = "";
    const onData = (chunk: Uint8Array | string) => {
      for (const key of String(chunk)) {
        if (key === "\r" || key === "\n") return finish(typed);
        if (key === "\x03" || key === "\x04") return finish(null);
        typed = key === "\x7f" ? typed.slice(0, -1) : typed + key;
      }
    };
    const finish = (secret: string | null) => {
      stdin.off("data", onData);
      resolve(secret);
    };
    stdin.on("data", onData);
  });
}
