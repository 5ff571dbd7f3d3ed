/** The handle of a client process: starts it, reads its log as it grows, and stops it. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ClientSettings } from "./client_process.ts";
import type { Acknowledged } from "./outage.ts";
import { waitFor } from "./wait_for.ts";

export interface ClientFailure {
  readonly id: number;
  readonly node: string;
  readonly sentMs: number;
  readonly endMs: number;
  readonly code: string;
}

export class Client {
  /** In order of their arrival at the client. */
  readonly acks: Acknowledged[] = [];
  readonly failures: ClientFailure[] = [];
  sent = 0;
  readonly #child: ChildProcess;
  readonly #logFile: string;
  #file: number | null = null;
  #offset = 0;
  #rest = "";

  /** `command` runs runClient with the settings file appended to it. */
  constructor(command: readonly string[], directory: string, settings: Omit<ClientSettings, "logFile">) {
    this.#logFile = join(directory, `client-${Math.random().toString(36).slice(2, 8)}.log`);
    const settingsFile = `${this.#logFile}.json`;
    writeFileSync(settingsFile, JSON.stringify({ ...settings, logFile: this.#logFile }), { mode: 0o600 });
    const [program, ...args] = [...command, settingsFile];
    this.#child = spawn(program!, args, { cwd: directory, stdio: ["pipe", "ignore", "inherit"] });
    this.#child.on("error", (error) => {
      throw new Error(`the client did not start: ${error.message}`);
    });
  }

  /** Takes in what the client has written since the last call. */
  read(): void {
    if (this.#file === null) {
      if (!existsSync(this.#logFile)) return;
      this.#file = openSync(this.#logFile, "r");
    }
    const buffer = Buffer.alloc(1 << 20);
    for (let length = 1; length > 0;) {
      length = readSync(this.#file, buffer, 0, buffer.length, this.#offset);
      this.#offset += length;
      const lines = (this.#rest + buffer.toString("latin1", 0, length)).split("\n");
      this.#rest = lines.pop()!;
      for (const line of lines) this.#take(line.split(" "));
    }
  }

  #take(fields: string[]): void {
    const [kind, id, node, sentMs, endMs, code] = fields as [
      string,
      string,
      string,
      string,
      string?,
      string?,
    ];
    const common = { id: Number(id), node, sentMs: Number(sentMs) };
    if (kind === "S") this.sent++;
    else if (kind === "A") this.acks.push({ ...common, ackMs: Number(endMs) });
    else if (kind === "E") this.failures.push({ ...common, endMs: Number(endMs), code: code ?? "" });
  }

  /** Waits until a node (any, or the one named) confirms a write that was sent after `sinceMs`. */
  async waitForWrite(sinceMs: number, deadlineMs: number, node?: string): Promise<Acknowledged> {
    return await waitFor(`a confirmed write${node ? ` on ${node}` : ""}`, deadlineMs, () => {
      this.read();
      return this.acks.findLast((ack) => ack.sentMs >= sinceMs && (node === undefined || ack.node === node));
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
      this.#child.kill("SIGTERM");
      const timer = setTimeout(() => this.#child.kill("SIGKILL"), 3000);
      await exited;
      clearTimeout(timer);
    }
    this.read();
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  /** For the end of the program, when nothing can be waited for. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
