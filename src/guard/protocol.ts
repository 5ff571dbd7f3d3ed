/**
 * The messages of guard and agent over the Unix socket: one JSON object a line. The two may be of different
 * releases (the guard outlives the agent), so unknown fields are ignored and unknown operations are answered
 * with an error. Everything from the other side is checked here, by hand: the guard carries no parser
 * library.
 */
import type { ClockReport } from "../model/clock_jump.ts";
import type { GuardReply, StartSpec } from "./port.ts";
import type { ExitReport, Postmaster } from "../model/guard_view.ts";
import { textOf } from "../model/text_of.ts";

export const PROTOCOL_VERSION = 1;
export const MAX_LINE_BYTES = 64 * 1024;

export type Operation =
  | { readonly op: "hello"; readonly version: number }
  | {
    readonly op: "arm";
    readonly epoch: number;
    readonly deadlineMs: number;
    readonly unfenced: boolean;
    readonly killAfterMs?: number;
  }
  | { readonly op: "end"; readonly epoch: number }
  | { readonly op: "start"; readonly spec: StartSpec }
  /** `pid`: the server whose role it is. Absent: an agent of an older version, which means the one there. */
  | { readonly op: "adopt"; readonly epoch: number | null; readonly pid?: number }
  | { readonly op: "promote"; readonly epoch: number }
  | { readonly op: "signal"; readonly signal: "reload" | "fast" | "immediate" }
  /** The data directory may have been made or replaced: take its lock. */
  | { readonly op: "claim"; readonly lend?: boolean }
  | { readonly op: "close"; readonly pid: number; readonly leftoversMs: number }
  | { readonly op: "kill" }
  | { readonly op: "ping" }
  /** End the guard; refused while anything of PostgreSQL lives. */
  | { readonly op: "quit" }
  | UpgradeOperation;

/** Become the program that the controller runs (upgrade_self.ts). The answer comes before that is done. */
export interface UpgradeOperation {
  readonly op: "upgrade";
  /** Where its file lies, in case /proc does not show it to this process. */
  readonly program: string;
  /** Device and inode of that file, "dev:ino". */
  readonly file: string;
  /** Command line of a guard of that program, without its options. */
  readonly command: readonly string[];
  /** The version of state that it can take over: STATE_VERSION (hand_over.ts). */
  readonly stateVersion: number;
}

export type Request = Operation & { readonly id: number };

/** The guard's knowledge; the client adds its own about the guard. */
export interface WireView {
  readonly armed: { readonly epoch: number; readonly deadlineMs: number; readonly unfenced: boolean } | null;
  readonly endedEpoch: number;
  readonly postmaster: Postmaster | null;
  readonly anyProcess: boolean;
  /**
   * Every process of PostgreSQL that is left has SIGKILL queued, and is kept by the kernel. Missing: a guard
   * of an earlier release.
   */
  readonly doomed?: boolean;
  /**
   * The data directory belongs to another agent, as this sentence says. Missing: a guard of an earlier
   * release.
   */
  readonly taken?: string | null;
  /** Frozen, and every process was seen stopped or certain to stop. */
  readonly allStopped: boolean;
  readonly lastExit: ExitReport | null;
  readonly lateMs: number;
  /** The report of its clocks. Missing: a guard of an earlier release. */
  readonly clocks?: ClockReport;
}

export interface Notice {
  readonly level: "info" | "warning" | "error";
  readonly event: string;
  readonly text: string;
}

export type GuardMessage =
  | {
    readonly kind: "reply";
    readonly id: number;
    readonly reply: GuardReply;
    /** Clock.now() of the guard when it answered. */
    readonly atMs: number;
    readonly view: WireView;
    /** In the answer to hello. */
    readonly hello?: Hello;
  }
  | { readonly kind: "view"; readonly view: WireView }
  /** For the agent's log: the guard itself writes none, it could block on it. */
  | { readonly kind: "notice"; readonly notice: Notice }
  /** Another controller has taken over; the connection closes. */
  | { readonly kind: "superseded" };

export interface Hello {
  readonly version: number;
  readonly pid: number;
  /** Random, one a guard process: tells a restarted guard from the one that was there before. */
  readonly token: string;
  readonly dataDir: string;
  /** Release of the guard's program. Missing: from before guards were upgraded in place. */
  readonly release?: string;
  /** Version of the state that it hands over. */
  readonly stateVersion?: number;
}

export function encode(message: Request | GuardMessage): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(message)}\n`);
}

/**
 * Bytes in, lines out. A line without an end after MAX_LINE_BYTES is an error: the other side is no part of
 * the agent.
 */
export class LineReader {
  #pending = new Uint8Array(0);

  /** Complete lines; null when the stream is broken for good. */
  push(chunk: Uint8Array): string[] | null {
    const bytes = new Uint8Array(this.#pending.length + chunk.length);
    bytes.set(this.#pending);
    bytes.set(chunk, this.#pending.length);
    const lines: string[] = [];
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      if (end - start > MAX_LINE_BYTES) return null;
      lines.push(new TextDecoder().decode(bytes.subarray(start, end)));
      start = end + 1;
    }
    this.#pending = bytes.slice(start);
    return this.#pending.length > MAX_LINE_BYTES ? null : lines;
  }
}

type Fields = { readonly [name: string]: unknown };

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseFields(line: string): Fields | null {
  try {
    const value: unknown = JSON.parse(line);
    return isFields(value) ? value : null;
  } catch {
    return null; // not JSON
  }
}

function isEpoch(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function isEpochOrNull(value: unknown): value is number | null {
  return value === null || isEpoch(value);
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

/** An error text for a message that is no request; its id, where it has one, so that it can be answered. */
export function decodeRequest(
  line: string,
): Request | { readonly error: string; readonly id: number | null } {
  const fields = parseFields(line);
  if (fields === null) return { error: "not a JSON object", id: null };
  const { id, op } = fields;
  if (!Number.isSafeInteger(id)) return { error: "no id", id: null };
  const operation = decodeOperation(fields);
  if (operation === null) return { error: `unknown or malformed request ${textOf(op)}`, id: id as number };
  return { id: id as number, ...operation };
}

function decodeOperation(fields: Fields): Operation | null {
  const { op, epoch } = fields;
  switch (op) {
    case "hello":
      return typeof fields.version === "number" ? { op, version: fields.version } : null;
    case "arm":
      return decodeArm(fields);
    case "end":
    case "promote":
      return isEpoch(epoch) ? { op, epoch } : null;
    case "adopt":
      if (!isEpochOrNull(epoch)) return null;
      return Number.isSafeInteger(fields.pid) ? { op, epoch, pid: fields.pid as number } : { op, epoch };
    case "start": {
      const spec = decodeSpec(fields.spec);
      return spec === null ? null : { op, spec };
    }
    case "signal": {
      const { signal } = fields;
      return signal === "reload" || signal === "fast" || signal === "immediate" ? { op, signal } : null;
    }
    case "close": {
      const { pid, leftoversMs } = fields;
      if (!Number.isSafeInteger(pid) || typeof leftoversMs !== "number" || !(leftoversMs >= 0)) return null;
      return { op, pid: pid as number, leftoversMs };
    }
    case "claim":
      return fields.lend === true ? { op, lend: true } : { op };
    case "kill":
    case "ping":
    case "quit":
      return { op };
    case "upgrade":
      return decodeUpgrade(fields);
    default:
      return null;
  }
}

function decodeArm({ epoch, deadlineMs, unfenced, killAfterMs }: Fields): Operation | null {
  if (!isEpoch(epoch) || typeof deadlineMs !== "number" || typeof unfenced !== "boolean") return null;
  if (killAfterMs === undefined) return { op: "arm", epoch, deadlineMs, unfenced };
  if (typeof killAfterMs !== "number" || !(killAfterMs >= 0)) return null;
  return { op: "arm", epoch, deadlineMs, unfenced, killAfterMs };
}

function decodeUpgrade({ program, file, command, stateVersion }: Fields): Operation | null {
  if (typeof program !== "string" || typeof file !== "string" || typeof stateVersion !== "number") {
    return null;
  }
  if (!isStrings(command) || command.length === 0) return null;
  return { op: "upgrade", program, file, command, stateVersion };
}

function decodeSpec(value: unknown): StartSpec | null {
  if (!isFields(value) || !isFields(value.env)) return null;
  const { program, args, env, dataDir, epoch } = value;
  if (typeof program !== "string" || typeof dataDir !== "string" || !isStrings(args)) return null;
  if (!isEpochOrNull(epoch) || !isStrings(Object.values(env))) return null;
  return { program, args, env: env as { [name: string]: string }, dataDir, epoch };
}

/**
 * null for a message that this release does not know. The guard is the agent's own program: its views are not
 * checked.
 */
export function decodeGuardMessage(line: string): GuardMessage | null {
  const fields = parseFields(line);
  switch (fields?.kind) {
    case "reply":
      return Number.isSafeInteger(fields.id) && isFields(fields.reply) && isFields(fields.view)
        ? fields as unknown as GuardMessage
        : null;
    case "view":
      return isFields(fields.view) ? fields as unknown as GuardMessage : null;
    case "notice":
      return isFields(fields.notice) ? fields as unknown as GuardMessage : null;
    case "superseded":
      return { kind: "superseded" };
    default:
      return null;
  }
}
