/**
 * The commands that change the cluster's records. Each names what it expects to find (an epoch, a revision, an
 * incarnation): a command that comes late finds something else and is a no-op. `at` is the proposer's wall clock
 * and only ever shown to people.
 */
import { parseBounded } from "../model/bounded_json.ts";
import type { JsonObject } from "../model/json.ts";
import { LONGEST_LEASE_MS } from "../model/limits.ts";
import type { Life } from "../model/life.ts";
import type { FailoverRecord, HistoryLine, MemberFacts } from "../model/records.ts";
import { COMMAND_BOUNDS, commandFlaw, LOOSE_BOUNDS, MAX_REASON } from "./command_schema.ts";
import { isFields } from "./shape.ts";

interface Stamp {
  readonly by: string;
  readonly at: string;
}

export type Command = Stamp & CommandBody;

export type CommandBody =
  | { readonly op: "claimInitialize"; readonly incarnation: number }
  | { readonly op: "completeInitialize"; readonly incarnation: number; readonly systemId: string }
  /** Gives up a bootstrap in progress: `of` is the claimant and its incarnation. */
  | { readonly op: "clearInitialize"; readonly of: string; readonly incarnation: number }
  /** null: there must be no configuration yet. */
  | { readonly op: "setConfig"; readonly value: JsonObject; readonly expectRevision: number | null }
  /**
   * `life`: the machine that is meant, which must have the name when this is applied. `complete`: the new holder has
   * everything that the last one wrote before it stopped cleanly.
   */
  | {
    readonly op: "grant";
    readonly epoch: number;
    readonly holder: string;
    /** Absent in logs of versions that did not know lives, as below. */
    readonly life?: Life;
    readonly reason: string;
    readonly complete: boolean;
  }
  /** `forced`: an operator's failover ends an unfenced epoch. */
  | { readonly op: "expire"; readonly epoch: number; readonly reason: string; readonly forced?: boolean }
  /** `life`, here and below: of the proposer. Only the one that was granted the epoch has a say (src/model/life.ts). */
  | {
    readonly op: "release";
    readonly epoch: number;
    readonly life?: Life;
    readonly reason: string;
    readonly lsn: number | null;
    readonly timeline: number | null;
  }
  /**
   * `expectRevision`: of the last one under this epoch, null: none. One that comes late, of an earlier start of the agent even,
   * is void once another was applied. Absent where not all members know it.
   */
  | {
    readonly op: "setUnfenced";
    readonly epoch: number;
    readonly life?: Life;
    readonly unfenced: boolean;
    readonly expectRevision?: number | null;
  }
  /** null: no request may be present. */
  | { readonly op: "setFailover"; readonly record: FailoverRecord; readonly expectRevision: number | null }
  | { readonly op: "acceptFailover"; readonly id: string }
  | { readonly op: "endFailover"; readonly id: string; readonly ok: boolean; readonly text: string }
  /**
   * Without `replace`, a member of that name with another raft id is left alone: it may live. With it the name passes to
   * the proposer's machine, but never while another life holds the lock under that name.
   */
  | {
    readonly op: "setMember";
    readonly facts: MemberFacts;
    readonly incarnation: number;
    readonly replace: boolean;
  }
  /** Forgets a member that has left. One of that name with another address is another one. */
  | { readonly op: "dropMember"; readonly name: string; readonly raftAddr: string }
  | {
    readonly op: "addHistory";
    readonly epoch: number;
    readonly line: HistoryLine;
    readonly maxLines: number;
  }
  /**
   * The members that failsafe mode asks, by name with their api_url; null: failsafe mode is not to be used under this
   * epoch any more. By the holder only (src/dcs/failsafe.ts). `nodes`: their raft ids. `expectRevision`: of the set in the
   * records, null: none.
   */
  | {
    readonly op: "setFailsafe";
    readonly epoch: number;
    readonly life?: Life;
    readonly members: { readonly [name: string]: string } | null;
    readonly nodes?: { readonly [name: string]: number };
    readonly expectRevision: number | null;
  }
  /** By a member of the set of this revision, when no lease that it agreed to can still run (src/dcs/failsafe.ts). */
  | { readonly op: "endFailsafe"; readonly revision: number; readonly life: Life }
  /** `epoch`, `free`: the lock as the proposer saw it. What is safe while it is free is not safe once it is granted. */
  | {
    readonly op: "setTtl";
    readonly epoch: number;
    readonly free: boolean;
    readonly expectGrantMs: number;
    readonly expectWaitMs: number;
    readonly grantMs: number;
    readonly waitMs: number;
  };

export type CommandResult =
  | { readonly ok: true; readonly revision: number }
  /** `reason` is for people; `code` for who proposed it, where that makes a difference to what is done next. */
  | { readonly ok: false; readonly reason: string; readonly code?: RefusalCode };

export type RefusalCode =
  /** Another machine is the member of that name: it is asked whether it lives. */
  | "name-taken"
  /** The name may be taken over once the epoch has ended that another machine holds under it. */
  | "name-holds-lock"
  /** The configuration is not the one that the change was made of. */
  | "config-changed";

/**
 * Which version brought each command. A new one, and a new field, takes the next version: it is proposed only when all
 * members know it, and does nothing at a place of the log where it is not in force (raft/node/versions.ts).
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
  setMember: 1,
  dropMember: 1,
  addHistory: 1,
  setFailsafe: 2,
  endFailsafe: 3,
  setTtl: 1,
};

/** From this version on, setUnfenced may name the revision that it follows (`expectRevision`). */
export const FENCING_REVISION_SINCE = 4;

/**
 * From this version on, sizes and contents are judged where a command is applied; before it, only types. What is proposed
 * is judged in full at every version: the difference is for logs that older programs have written.
 */
const BOUNDED_SINCE = 3;

/** The latest version that this program knows. */
export const COMMAND_VERSION = Math.max(
  BOUNDED_SINCE,
  FENCING_REVISION_SINCE,
  ...Object.values(VERSION_OF),
);

export function commandVersion(body: CommandBody): number {
  return versionOf(body.op, body);
}

function versionOf(op: CommandBody["op"], fields: object): number {
  if (op === "setUnfenced" && "expectRevision" in fields) return FENCING_REVISION_SINCE;
  return VERSION_OF[op];
}

/** Whether limits of numbers and sizes of records apply at this version. */
export function hasBounds(version: number): boolean {
  return version >= BOUNDED_SINCE;
}

const MAX_HISTORY_REASON = 500;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Commands are JSON with a version. Explanations that are too long are cut: no decision may fail for its own. */
export function encodeCommand(command: Command): Uint8Array {
  return encoder.encode(JSON.stringify({ v: commandVersion(command), ...shortened(command) }));
}

function shortened(command: Command): Command {
  if ("reason" in command) return { ...command, reason: cutText(command.reason, MAX_REASON) };
  if (command.op === "endFailover") return { ...command, text: cutText(command.text, MAX_REASON) };
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
 * The one parser of commands. `version`: what is in force at the entry's place in the log. Never throws, whatever the
 * bytes are; the same bytes at the same version are judged alike by every member, for ever.
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
 * What is applied where an earlier program has logged it, and proposed no more: a ttl above the longest lease, which every
 * member cuts where it counts with it.
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
