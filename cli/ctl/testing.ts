/** Runs `agent ctl` in tests: against a stub of an agent behind real HTTP, with a terminal made of lists. */
import { mkdtempSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryNetwork, monotonicClock, openWal, RaftNode } from "../../raft/mod.ts";
import { type ApiServer, startApiServer } from "../../src/api/server.ts";
import { MEMBERS, stubLocalConfig, StubPort } from "../../src/api/testing.ts";
import { type CommandBody, encodeCommand } from "../../src/dcs/commands.ts";
import type { Io } from "./io.ts";
import { ctlCommand } from "./main.ts";

export interface Outcome {
  readonly code: number;
  /** Standard output as it was written, questions included, without the last newline. */
  readonly out: string;
  readonly err: string;
}

/** A cluster all of whose members are one and the same stub. */
export class StubCluster {
  readonly port = new StubPort();
  readonly #server: ApiServer;

  constructor() {
    this.#server = startApiServer(this.port, stubLocalConfig(), {
      onError: (error) => {
        throw error;
      },
    });
    const { members } = this.port.view().dcs!;
    const here = Object.entries(members).map(([name, facts]) => [name, { ...facts, apiUrl: this.apiUrl }]);
    this.port.changeDcs({ members: Object.fromEntries(here) });
    for (const name of MEMBERS) this.port.changeMember(name, { apiUrl: this.apiUrl });
  }

  get address(): string {
    return `127.0.0.1:${this.#server.port}`;
  }

  get apiUrl(): string {
    return `http://${this.address}/patroni`;
  }

  /** `agent ctl -d <this cluster> words...` with these lines typed. `told`: for each line on standard error. */
  ctl(
    words: readonly string[],
    typed: readonly string[] = [],
    told: (line: string) => void = () => {},
  ): Promise<Outcome> {
    return runCtl(["-d", this.address, ...words], typed, {}, told);
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }
}

export function runCtl(
  words: readonly string[],
  typed: readonly string[] = [],
  environment: Io["environment"] = {},
  told: (line: string) => void = () => {},
): Promise<Outcome> {
  return withLists(typed, environment, (io) =>
    ctlCommand(words, {
      ...io,
      err: (line) => {
        io.err(line);
        told(line);
      },
    }));
}

/** Runs a command at a terminal made of lists. */
export async function withLists(
  typed: readonly string[],
  environment: Io["environment"],
  run: (io: Io) => Promise<number>,
): Promise<Outcome> {
  let out = "";
  let err = "";
  const lines = [...typed];
  const code = await run({
    out: (line) => void (out += `${line}\n`),
    err: (line) => void (err += `${line}\n`),
    ask: (text) => void (out += text),
    readLine: () => Promise.resolve(lines.shift() ?? null),
    readAll: () => Promise.resolve(lines.splice(0).map((line) => `${line}\n`).join("")),
    readSecret: () => Promise.resolve(lines.shift() ?? null),
    onKey: () => () => {},
    isTerminal: false,
    size: () => null,
    environment,
  });
  return { code, out: out.replace(/\n$/, ""), err: err.replace(/\n$/, "") };
}

/** `agent ctl watch` on a terminal. Presses the keys in turn, each when a picture has its text. */
export async function watched(
  { address }: StubCluster,
  keys: readonly (readonly [text: string, key: string])[],
  { rows, beforeKey = () => {} }: { rows: number; beforeKey?: (key: string) => void },
): Promise<{ code: number; written: string[]; released: boolean }> {
  const written: string[] = [];
  const left = [...keys];
  let handle: (key: string) => void = () => {};
  let released = false;
  const io: Io = {
    out: (line) => void written.push(line),
    err: (line) => void written.push(line),
    ask: (text) => {
      written.push(text);
      const [next] = left;
      if (next === undefined || !text.includes("\x1b[H") || !text.includes(next[0])) return;
      const [, key] = left.shift()!;
      beforeKey(key);
      // After the picture, as a key of a user comes.
      queueMicrotask(() => handle(key));
    },
    onKey: (given) => {
      handle = given;
      return () => void (released = true);
    },
    readLine: () => Promise.resolve(null),
    readAll: () => Promise.resolve(""),
    readSecret: () => Promise.resolve(null),
    isTerminal: true,
    size: () => ({ rows, columns: 120 }),
    environment: { NO_COLOR: "1" },
  };
  const code = await ctlCommand(["-d", address, "watch", "-w", "0.01"], io);
  return { code, written, released };
}

const AT = "2026-11-28T12:00:00.000Z";
const IDENTITY = { clusterId: 4711, nodeId: 1 };

/** A raft directory: the log of a cluster of one. */
export interface TestLog {
  readonly directory: string;
  /** Its member ends, and gives the directory up. */
  stop(): void;
}

/** The log has these commands, and its member still runs. */
export async function writeLog(commands: readonly CommandBody[]): Promise<TestLog> {
  const directory = mkdtempSync(join(tmpdir(), "raft-log-"));
  const clock = monotonicClock;
  const storage = openWal(directory, IDENTITY, { now: clock.now, segmentBytes: 64 * 1024, inline: true });
  const raft = new RaftNode({
    id: 1,
    clusterId: IDENTITY.clusterId,
    members: [{ id: 1, name: "a", addr: "127.0.0.1:1" }],
    storage,
    transport: new MemoryNetwork(clock).transport(1),
    clock,
    random: () => 0.5,
    stateMachine: { apply: () => true, snapshot: () => new Uint8Array(0), restore: () => {} },
    electionMinMs: 100,
    electionMaxMs: 200,
    heartbeatMs: 50,
  });
  const ready = new Promise<void>((resolve) => {
    raft.onEvent((event) => {
      if (event.kind === "state" && event.ownTermApplied) resolve();
    });
  });
  raft.start();
  await ready;
  for (const command of commands) {
    await new Promise((resolve) => raft.propose(encodeCommand({ ...command, by: "a", at: AT }), resolve));
  }
  const stop = () => {
    raft.stop();
    storage.close();
  };
  return { directory, stop };
}

const SSL_REQUEST = 80877103;

function message(kind: string, ...parts: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([Buffer.from(kind), int32(body.length + 4), body]);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

const READY = message("Z", "I");
const AUTHENTICATED = Buffer.concat([message("R", int32(0)), READY]);

/** Lets everybody in. `answer`: gets what comes after that, the first statement at first. */
export async function postgresServer(answer: (socket: Socket, bytes: Buffer) => void): Promise<Server> {
  const server = createServer((socket) => {
    let started = false;
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      if (started) answer(socket, bytes);
      else if (bytes.readInt32BE(4) === SSL_REQUEST) socket.write("N");
      else {
        started = true;
        socket.write(AUTHENTICATED);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** Texts as the server writes them; null: NULL. */
export interface Table {
  readonly columns: readonly (readonly [name: string, type: number])[];
  readonly rows: readonly (readonly (string | null)[])[];
}

export function tableAnswer({ columns, rows }: Table): Buffer {
  const described = columns.map(([name, type]) =>
    Buffer.concat([Buffer.from(`${name}\0`), int32(0), int16(0), int32(type), int16(-1), int32(-1), int16(0)])
  );
  const cell = (text: string | null) =>
    text === null ? int32(-1) : Buffer.concat([int32(Buffer.byteLength(text)), Buffer.from(text)]);
  return Buffer.concat([
    message("T", int16(columns.length), ...described),
    ...rows.map((row) => message("D", int16(row.length), ...row.map(cell))),
    message("C", `SELECT ${rows.length}\0`),
    READY,
  ]);
}

export function errorAnswer(code: string, text: string): Buffer {
  return Buffer.concat([message("E", `SERROR\0VERROR\0C${code}\0M${text}\0\0`), READY]);
}
