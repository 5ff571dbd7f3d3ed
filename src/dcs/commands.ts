/**
 * The commands that change the cluster's records. Each names what it expects to find (an epoch, a revision,
 * an incarnation): a command that comes late finds something else and is a no-op. `at` is the proposer's wall
 * clock and only ever shown to people.
 */
import { parseBounded } from "../model/bounded_json.ts";
import { LONGEST_LEASE_MS } from "../model/limits.ts";
import type { Command, CommandBody } from "./command.ts";
import { COMMAND_BOUNDS, commandFlaw, LOOSE_BOUNDS, MAX_REASON } from "./command_schema.ts";
import { isFields } from "../model/shape.ts";

export type { Command, CommandBody, CommandResult, RefusalCode, SyncGrounds } from "./command.ts";

/**
 * Which version brought each command. A new one, and a new field, takes the next version: it is proposed only
 * when all members know it, and does nothing at a place of the log where it is not in force
 * (raft/node/versions.ts).
 */
const VERSION_OF: Readonly<Record<CommandBody["op"], number>> = {
  claimInitialize: 1,
  completeInitialize: 1,
  clearInitialize: 1,
  setConfig: 1,
  grant: 1,
  expire: 1,
  release: 1,
  setUnfenced: 1,
  setFailover: 1,
  acceptFailover: 1,
  endFailover: 1,
  setRestart: 6,
  endRestart: 6,
  setMember: 1,
  dropMember: 1,
  addHistory: 1,
  setFailsafe: 2,
  endFailsafe: 3,
  setSync: 7,
  setTtl: 1,
  addEvents: 7,
};

/** All kinds. */
export const COMMANDS = Object.keys(VERSION_OF) as readonly CommandBody["op"][];

/** From this version on, setUnfenced may name the revision that it follows (`expectRevision`). */
export const FENCING_REVISION_SINCE = 4;

/** From this version on, a change of the configuration keeps the one before it (config_history.ts). */
export const CONFIG_HISTORY_SINCE = 5;

/** From this version on, a request that another one replaces gets its result. */
export const REPLACEMENT_SINCE = 6;

/** From this version on, events have the kinds and bounds of events.ts; before it, those of the commands. */
export const TYPED_EVENTS_SINCE = 7;

/** From this version on, a grant says what protects the transactions that were acknowledged before it. */
export const SYNC_SINCE = 8;

/** From this version on, members tell what WAL is lost with their rejoin, and the records keep it. */
export const LOSS_SINCE = 9;

/**
 * From this version on, sizes and contents are judged where a command is applied; before it, only types.
 * Proposals are judged in full at every version: the difference is for logs that older programs have written.
 */
const BOUNDED_SINCE = 3;

/** The latest version that this program knows. */
export const COMMAND_VERSION = Math.max(
  BOUNDED_SINCE,
  FENCING_REVISION_SINCE,
  CONFIG_HISTORY_SINCE,
  REPLACEMENT_SINCE,
  TYPED_EVENTS_SINCE,
  SYNC_SINCE,
  LOSS_SINCE,
  ...Object.values(VERSION_OF),
);

export function commandVersion(body: CommandBody): number {
  return versionOf(body.op, body);
}

function versionOf(op: CommandBody["op"], fields: object): number {
  if (op === "setUnfenced" && "expectRevision" in fields) return FENCING_REVISION_SINCE;
  if (op === "grant" && "sync" in fields) return SYNC_SINCE;
  if (op === "addEvents" && "events" in fields && tellsLoss(fields.events)) return LOSS_SINCE;
  return VERSION_OF[op];
}

/** The kind, and figures that only it has. Whatever the value is: it was not judged yet. */
function tellsLoss(events: unknown): boolean {
  return Array.isArray(events) && events.some((event) => isFields(event) && isLoss(event));
}

/** Members of earlier versions know neither the kind nor its figures. */
function isLoss({ kind, facts }: { readonly kind?: unknown; readonly facts?: unknown }): boolean {
  return kind === "wal-lost" ||
    (isFields(facts) && ["end", "bytes", "transactions", "kept"].some((name) => Object.hasOwn(facts, name)));
}

/** Whether limits of numbers and sizes of records apply at this version. */
export function hasBounds(version: number): boolean {
  return version >= BOUNDED_SINCE;
}

const MAX_HISTORY_REASON = 500;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Commands are JSON with a version. Explanations that are too long are cut: no decision may fail for its own.
 */
export function encodeCommand(command: Command): Uint8Array {
  return encoder.encode(JSON.stringify({ v: commandVersion(command), ...shortened(command) }));
}

function shortened(command: Command): Command {
  if ("reason" in command) return { ...command, reason: cutText(command.reason, MAX_REASON) };
  if (command.op === "endFailover" || command.op === "endRestart") {
    return { ...command, text: cutText(command.text, MAX_REASON) };
  }
  if (command.op !== "addHistory") return command;
  const [timeline, lsn, reason, ...rest] = command.line;
  return { ...command, line: [timeline, lsn, cutText(reason, MAX_HISTORY_REASON), ...rest] };
}

/** Text of at most so many characters, all of them whole. */
export function cutText(text: string, max: number): string {
  return (text.length <= max ? text : `${text.slice(0, max - 4)} ...`).toWellFormed();
}

export type Judged =
  | { readonly ok: true; readonly command: Command }
  | { readonly ok: false; readonly reason: string };

/**
 * The one parser of commands. `version`: the one in force at the entry's place in the log. Never throws,
 * whatever the bytes are; the same bytes at the same version are judged alike by every member, for ever.
 */
export function parseCommand(bytes: Uint8Array, version: number): Judged {
  return parsed(bytes, version, hasBounds(version));
}

/** Why these bytes must not be proposed, for people; null: they may. */
export function commandRefusal(bytes: Uint8Array, version: number): string | null {
  const judged = parsed(bytes, version, true);
  return judged.ok ? excess(judged.command) : judged.reason;
}

/**
 * Finds a value that is still applied from logs of earlier programs, and is not proposed any more: a ttl
 * above the longest lease, which every member cuts where it counts with it.
 */
function excess(command: Command): string | null {
  if (command.op !== "setTtl" || Math.max(command.grantMs, command.waitMs) <= LONGEST_LEASE_MS) return null;
  return `setTtl: a ttl of at most ${LONGEST_LEASE_MS} ms is expected`;
}

function parsed(bytes: Uint8Array, version: number, bounded: boolean): Judged {
  const refuse = (reason: string): Judged => ({ ok: false, reason });
  const text = decoded(bytes);
  if (text === null) return refuse("not a command: its text is no UTF-8");
  const read = parseBounded(text, bounded ? COMMAND_BOUNDS : LOOSE_BOUNDS);
  if (!read.ok) return refuse(`not a command: ${read.problem}`);
  const { value } = read;
  if (!isFields(value)) return refuse("not a command that this version knows");
  const { op, v } = value;
  if (typeof op !== "string" || !Object.hasOwn(VERSION_OF, op)) {
    return refuse("not a command that this version knows");
  }
  const needed = versionOf(op as CommandBody["op"], value);
  if (typeof v !== "number" || !(v >= needed && v <= version)) {
    return refuse(`${op} needs version ${needed} of commands, and ${version} is in force`);
  }
  const flaw = commandFlaw(op, value, bounded);
  return flaw === null ? { ok: true, command: value as unknown as Command } : refuse(`${op}: ${flaw}`);
}

/** null: no UTF-8. */
function decoded(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}
