/**
 * The commands that change the records, and their outcomes: plain types. commands.ts says which are accepted.
 */
import type { NotedEvent } from "../model/event.ts";
import type { JsonObject } from "../model/json.ts";
import type { FailoverRecord, HistoryLine, Life, MemberFacts, ScheduledRestart } from "../model/records.ts";

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
    /**
     * While acknowledged transactions are promised to survive: what says that this holder has them
     * (src/sync/DESIGN.md). Absent otherwise.
     */
    readonly sync?: SyncGrounds;
  }
  /** `forced`: an operator's failover ends an unfenced epoch. */
  | { readonly op: "expire"; readonly epoch: number; readonly reason: string; readonly forced?: boolean }
  /**
   * `life`, here and below: of the proposer. Only the life that was granted the epoch counts
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
   * `expectRevision`: of the last one under this epoch, null: none. A late one, even from an earlier start of
   * the agent, is void once another was applied. Absent where not all members know it.
   */
  | {
    readonly op: "setUnfenced";
    readonly epoch: number;
    readonly life?: Life;
    readonly unfenced: boolean;
    readonly expectRevision?: number | null;
  }
  /** null: no request may be present. A request that is present is replaced, and has failed. */
  | { readonly op: "setFailover"; readonly record: FailoverRecord; readonly expectRevision: number | null }
  | { readonly op: "acceptFailover"; readonly id: string }
  | { readonly op: "endFailover"; readonly id: string; readonly ok: boolean; readonly text: string }
  /** `expectId`: of the restart that is scheduled for this member, and is replaced; null: none is. */
  | {
    readonly op: "setRestart";
    readonly member: string;
    readonly id: string;
    readonly restart: ScheduledRestart;
    readonly expectId: string | null;
  }
  /** `text`: what became of it, for people. */
  | { readonly op: "endRestart"; readonly member: string; readonly id: string; readonly text: string }
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
  /** Forgets a member that has left. A member of that name with another address is a different one. */
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
   * By the holder only: V and Q under its epoch; `leader` null: the promise ends. `flushed`: members that
   * have flushed everything that was acknowledged so far. `expectRevision`: of the record that is replaced.
   */
  | {
    readonly op: "setSync";
    readonly epoch: number;
    readonly life: Life;
    readonly leader: string | null;
    readonly syncStandby: readonly string[];
    readonly quorum: number;
    readonly data: { readonly [name: string]: string };
    readonly flushed: readonly string[];
    readonly expectRevision: number;
  }
  /**
   * `epoch`, `free`: the lock as the proposer saw it. A step that is safe while the lock is free is not safe
   * once it is granted.
   */
  | {
    readonly op: "setTtl";
    readonly epoch: number;
    readonly free: boolean;
    readonly expectGrantMs: number;
    readonly expectWaitMs: number;
    readonly grantMs: number;
    readonly waitMs: number;
  }
  /** What the proposer knows of, and the records do not. */
  | { readonly op: "addEvents"; readonly events: readonly NotedEvent[] };

/** What says that a new holder has everything that was acknowledged. */
export interface SyncGrounds {
  /**
   * "holder": it was the last holder. "clean": the last holder has ended in order, and this one has all of
   * its WAL. "votes": of members that were cut off from the last holder. "operator": nothing does; an
   * operator has named it for a failover.
   */
  readonly by: "holder" | "clean" | "votes" | "operator";
  /** The members that voted, itself included; otherwise none. */
  readonly votes: readonly string[];
  /** The data that the new holder has. Absent: not known. */
  readonly token?: string;
}

export type CommandResult =
  | { readonly ok: true; readonly revision: number }
  /** `reason` is for people; the proposer goes by `code`. */
  | { readonly ok: false; readonly reason: string; readonly code: RefusalCode };

export type RefusalCode =
  /** Another machine is the member of that name: it is asked whether it lives. */
  | "name-taken"
  /** The name may be taken over once the epoch has ended that another machine holds under it. */
  | "name-holds-lock"
  /** The configuration is not the one that the change was made of. */
  | "config-changed"
  /** Not a command, or one that is not in force at this place of the log. */
  | "unknown-command"
  // The bootstrap of a cluster.
  | "claimed"
  | "no-bootstrap"
  // The lock.
  | "lock-held"
  | "lock-changed"
  | "not-held"
  | "other-epoch"
  | "other-machine"
  | "unfenced"
  | "fence-changed"
  | "ttl-changed"
  | "ttl-order"
  // Failsafe mode.
  | "outside-failsafe-set"
  | "failsafe-changed"
  | "failsafe-incomplete"
  | "failsafe-logged"
  | "failsafe-not-over"
  | "no-failsafe"
  // Synchronous replication.
  | "sync-changed"
  | "sync-unsound"
  | "sync-unproven"
  // A switchover or failover.
  | "request-present"
  | "no-request"
  // A scheduled restart.
  | "restart-present"
  | "no-restart"
  // Members and history.
  | "no-member"
  | "too-many-members"
  | "timeline-known"
  // Events.
  | "events-known";
