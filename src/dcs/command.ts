/**
 * The commands that change the records, and their outcomes: plain types. commands.ts says which are taken.
 */
import type { JsonObject } from "../model/json.ts";
import type { FailoverRecord, HistoryLine, Life, MemberFacts } from "../model/records.ts";

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
   * `life`: the machine that is meant, which must have the name when this is applied. `complete`: the new
   * holder has everything that the last one wrote before it stopped cleanly.
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
  /**
   * `life`, here and below: of the proposer. Only the one that was granted the epoch has a say
   * (src/model/life.ts).
   */
  | {
    readonly op: "release";
    readonly epoch: number;
    readonly life?: Life;
    readonly reason: string;
    readonly lsn: number | null;
    readonly timeline: number | null;
  }
  /**
   * `expectRevision`: of the last one under this epoch, null: none. One that comes late, of an earlier start
   * of the agent even, is void once another was applied. Absent where not all members know it.
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
   * Without `replace`, a member of that name with another raft id is left alone: it may live. With it the
   * name passes to the proposer's machine, but never while another life holds the lock under that name.
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
   * The members that failsafe mode asks, by name with their api_url; null: failsafe mode is not to be used
   * under this epoch any more. By the holder only (src/lease/failsafe.ts). `nodes`: their raft ids.
   * `expectRevision`: of the set in the records, null: none.
   */
  | {
    readonly op: "setFailsafe";
    readonly epoch: number;
    readonly life?: Life;
    readonly members: { readonly [name: string]: string } | null;
    readonly nodes?: { readonly [name: string]: number };
    readonly expectRevision: number | null;
  }
  /**
   * By a member of the set of this revision, when no lease that it agreed to can still run
   * (src/lease/failsafe.ts).
   */
  | { readonly op: "endFailsafe"; readonly revision: number; readonly life: Life }
  /**
   * `epoch`, `free`: the lock as the proposer saw it. What is safe while it is free is not safe once it is
   * granted.
   */
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
  /**
   * `reason` is for people; `code` for who proposed it, where that makes a difference to what is done next.
   */
  | { readonly ok: false; readonly reason: string; readonly code?: RefusalCode };

export type RefusalCode =
  /** Another machine is the member of that name: it is asked whether it lives. */
  | "name-taken"
  /** The name may be taken over once the epoch has ended that another machine holds under it. */
  | "name-holds-lock"
  /** The configuration is not the one that the change was made of. */
  | "config-changed";
