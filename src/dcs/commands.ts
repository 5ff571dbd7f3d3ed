/**
 * The commands that change the cluster's records. Each names what it expects to find (an epoch, a revision, an
 * incarnation): a command that comes late finds something else and is a no-op. `at` is the proposer's wall clock
 * and only ever shown to people.
 */
import type { JsonObject } from "../model/json.ts";
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
  /** `complete`: the new holder has everything that the last one wrote before it stopped cleanly. */
  | {
    readonly op: "grant";
    readonly epoch: number;
    readonly holder: string;
    readonly reason: string;
    readonly complete: boolean;
  }
  /** `forced`: an operator's failover ends an unfenced epoch. */
  | { readonly op: "expire"; readonly epoch: number; readonly reason: string; readonly forced?: boolean }
  | {
    readonly op: "release";
    readonly epoch: number;
    readonly reason: string;
    readonly lsn: number | null;
    readonly timeline: number | null;
  }
  | { readonly op: "setUnfenced"; readonly epoch: number; readonly unfenced: boolean }
  /** null: no request may be present. */
  | { readonly op: "setFailover"; readonly record: FailoverRecord; readonly expectRevision: number | null }
  | { readonly op: "acceptFailover"; readonly id: string }
  | { readonly op: "endFailover"; readonly id: string; readonly ok: boolean; readonly text: string }
  /** Without `replace`, a member of that name with other addresses is left alone: it may be another, living one. */
  | {
    readonly op: "setMember";
    readonly facts: MemberFacts;
    readonly incarnation: number;
    readonly replace: boolean;
  }
  | {
    readonly op: "addHistory";
    readonly epoch: number;
    readonly line: HistoryLine;
    readonly maxLines: number;
  }
  /**
   * The members that failsafe mode asks, by name with their api_url; null: failsafe mode is not to be used under this
   * epoch any more. By the holder only (src/dcs/failsafe.ts). `expectRevision`: of the set in the records, null: none.
   */
  | {
    readonly op: "setFailsafe";
    readonly epoch: number;
    readonly members: { readonly [name: string]: string } | null;
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

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Commands are JSON with a version, so that an older member can tell a command that it does not know. */
export function encodeCommand(command: Command): Uint8Array {
  return encoder.encode(JSON.stringify({ v: 1, ...command }));
}

/** null for bytes that are no command of this version: every member then treats it alike, as a no-op. */
export function decodeCommand(bytes: Uint8Array): Command | null {
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    if (typeof value !== "object" || value === null || !("v" in value) || value.v !== 1 || !("op" in value)) {
      return null;
    }
    return value as unknown as Command;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null;
    throw error;
  }
}
