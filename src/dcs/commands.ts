/**
 * The commands that change the cluster's records. Each names what it expects to find (an epoch, a revision, an
 * incarnation): a command that comes late finds something else and is a no-op. `at` is the proposer's wall clock
 * and only ever shown to people.
 */
import type { JsonObject } from "../model/json.ts";
import type { Life } from "../model/life.ts";
import type { FailoverRecord, HistoryLine, MemberFacts } from "../model/records.ts";

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
  | {
    readonly op: "setUnfenced";
    readonly epoch: number;
    readonly life?: Life;
    readonly unfenced: boolean;
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
  | { readonly ok: false; readonly reason: string };

/**
 * Which version brought each command. A new one takes the next version: it is proposed only when all members know it, and
 * whoever meets it in the log without knowing it stops (raft/node/versions.ts).
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
  setTtl: 1,
};

/** The latest version that this program knows. */
export const COMMAND_VERSION = Math.max(...Object.values(VERSION_OF));

export function commandVersion({ op }: CommandBody): number {
  return VERSION_OF[op];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Commands are JSON with a version, so that an older member can tell a command that it does not know. */
export function encodeCommand(command: Command): Uint8Array {
  return encoder.encode(JSON.stringify({ v: commandVersion(command), ...command }));
}

/** What makes these bytes a command of a later program than this one; null: it can be applied. */
export function laterCommand(bytes: Uint8Array): string | null {
  const value = parse(bytes);
  if (value === null) return null;
  const { v, op } = value;
  if (typeof v === "number" && v > COMMAND_VERSION) return `a command of version ${v} (${String(op)})`;
  return typeof op === "string" && !Object.hasOwn(VERSION_OF, op) ? `the unknown command ${op}` : null;
}

function parse(bytes: Uint8Array): { readonly v: unknown; readonly op: unknown } | null {
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    return typeof value === "object" && value !== null && "v" in value && "op" in value ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null;
    throw error;
  }
}

/** null for bytes that are no command of this version: every member then treats it alike, as a no-op. */
export function decodeCommand(bytes: Uint8Array): Command | null {
  const value = parse(bytes);
  if (value === null || typeof value.v !== "number" || laterCommand(bytes) !== null) return null;
  return value as unknown as Command;
}
