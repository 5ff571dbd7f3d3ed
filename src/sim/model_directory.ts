/**
 * The data directory of a simulated PostgreSQL: WAL, control file and signal files, all that is there after
 * its server has ended. It says nothing of processes (model_server.ts).
 */
import { NO_SYNC, type SyncSetting } from "../model/sync_setting.ts";
import { ModelHistories } from "./model_histories.ts";
import { Branch, commonAncestor, contains, type Position } from "./wal.ts";

export type DirectoryState =
  | { readonly kind: "empty" }
  | { readonly kind: "valid" }
  | {
    readonly kind: "half-written";
    readonly what: "bootstrap" | "clone" | "rewind";
    readonly by?: number;
  };

/** The WAL that a checkpoint writes. */
export const CHECKPOINT_BYTES = 120;

export interface DirectoryPlace {
  newSystemId(): string;
  /** Its data gets this name. */
  named(dataId: string): void;
  changed(): void;
}

export class ModelDirectory {
  state: DirectoryState = { kind: "empty" };
  position: Position | null = null;
  /** As in the control file. */
  clusterState = "shut down";
  checkpointLsn = 0;
  minRecoveryLsn = 0;
  standbySignal = false;
  /** recovery.signal of a restored cluster: its server recovers to a target, and promotes itself there. */
  recoverySignal = false;
  /** Made with the data; a copy has another one. */
  dataId: string | undefined;
  /** synchronous_standby_names in its configuration. */
  syncSetting: SyncSetting = NO_SYNC;
  /** primary_conninfo. */
  following: string | null = null;
  /** Marked as a former primary's that was started read-only. */
  formerPrimary = false;
  /** Its configuration is not an agent's. */
  unmanaged = false;
  /** As noted in it; see DataDirectory. */
  founding: string | null = null;
  /** Marked as one whose server took writes without the lock. */
  wroteAlone = false;

  readonly histories = new ModelHistories();

  /** Name of its server, which writes branches of its own. */
  readonly #name: string;
  readonly #place: DirectoryPlace;
  #made = 0;

  constructor(name: string, place: DirectoryPlace) {
    this.#name = name;
    this.#place = place;
  }

  get systemId(): string | null {
    return this.state.kind === "empty" ? null : this.position?.branch.systemId ?? null;
  }

  /** The first directory of a cluster. `restored`: from a backup, taken while its server ran. */
  make(restored: boolean): void {
    const branch = new Branch(1, this.#place.newSystemId(), null, this.#name);
    this.position = { branch, lsn: branch.endLsn };
    this.clusterState = restored ? "in production" : "shut down";
    this.checkpointLsn = branch.endLsn - CHECKPOINT_BYTES;
    this.minRecoveryLsn = 0;
    this.standbySignal = false;
    this.recoverySignal = restored;
    this.founding = this.following = null;
    this.#newData();
    this.#place.changed();
  }

  /** `by`: of a bootstrap, the incarnation of the agent. */
  setHalfWritten(what: "bootstrap" | "clone" | "rewind", by?: number): void {
    this.state = { kind: "half-written", what, ...(by === undefined ? {} : { by }) };
    this.#place.changed();
  }

  finishBootstrap(): void {
    this.state = { kind: "valid" };
    this.#place.changed();
  }

  joined(founding: string): void {
    this.formerPrimary = false;
    this.founding = founding;
  }

  /** A copy of all that is in it, also while its server runs. */
  backup(): ModelDirectory {
    const copy = new ModelDirectory(this.#name, { ...this.#place, named: () => {}, changed: () => {} });
    copy.restoredFrom(this);
    return copy;
  }

  /** The directory of a virtual machine that was copied while its server ran, or a backup that is put back. */
  restoredFrom(other: ModelDirectory): void {
    const {
      state,
      position,
      clusterState,
      checkpointLsn,
      minRecoveryLsn,
      standbySignal,
      recoverySignal,
      following,
      founding,
      formerPrimary,
      wroteAlone,
      unmanaged,
      dataId,
      syncSetting,
    } = other;
    Object.assign(this, {
      state,
      position,
      clusterState,
      checkpointLsn,
      minRecoveryLsn,
      standbySignal,
      recoverySignal,
      following,
      founding,
      formerPrimary,
      wroteAlone,
      unmanaged,
      dataId,
      syncSetting,
    });
    this.#place.changed();
  }

  /**
   * The end of a clone or rewind: everything that `source` has, to be started as a standby. `lacksBytes`: of
   * the WAL that the data needs, so much is not there (a rewind under load).
   */
  copyFrom(source: ModelDirectory, lacksBytes = 0): void {
    this.state = { kind: "valid" };
    const { position } = source;
    this.position = position &&
      { ...position, lsn: Math.max(position.branch.startLsn, position.lsn - lacksBytes) };
    this.clusterState = "in archive recovery";
    this.checkpointLsn = source.checkpointLsn;
    this.minRecoveryLsn = source.position?.lsn ?? 0;
    this.standbySignal = true;
    this.founding = source.founding;
    this.recoverySignal = this.formerPrimary = this.wroteAlone = false;
    this.#newData();
    this.#place.changed();
  }

  /** A server that starts as a standby is not consistent before it has more WAL. */
  get needsWal(): boolean {
    return this.standbySignal && (this.position?.lsn ?? 0) < this.minRecoveryLsn;
  }

  #newData(): void {
    this.histories.forget();
    this.nameAnew();
  }

  /** It does not hold the data that had its name. */
  nameAnew(): void {
    this.dataId = `${this.#name}.${++this.#made}`;
    this.#place.named(this.dataId);
  }

  /** Writes the recovery settings into the directory before a start. */
  configureRecovery(standby: boolean, upstream: string | null): void {
    if (!standby) this.formerPrimary = this.wroteAlone = false;
    else if (upstream === null && !this.standbySignal) this.formerPrimary = true;
    this.unmanaged = false;
    this.standbySignal = standby;
    this.following = upstream;
  }

  setAside(): void {
    this.state = { kind: "empty" };
    this.position = null;
    this.standbySignal = this.recoverySignal = false;
    this.formerPrimary = this.wroteAlone = false;
    this.founding = this.following = null;
    this.#place.changed();
  }

  /** Begins the recovery of a server that starts; true: the one before it had not shut down. */
  beginRecovery(): boolean {
    this.histories.begin(this.position!, this.standbySignal);
    const crashed = !this.clusterState.startsWith("shut down");
    this.clusterState = this.standbySignal || this.recoverySignal
      ? "in archive recovery"
      : crashed
      ? "in crash recovery"
      : "shut down";
    return crashed;
  }

  /** The end of recovery after a promotion: the history forks. */
  fork(): void {
    const fork = this.position!;
    this.standbySignal =
      this.recoverySignal =
      this.formerPrimary =
      this.wroteAlone =
        false;
    const timeline = Math.max(fork.branch.timeline, this.histories.latest) + 1;
    const branch = new Branch(timeline, fork.branch.systemId, fork, this.#name);
    this.position = { branch, lsn: fork.lsn };
  }

  /** Writes the first record of a server that accepts writes. */
  beginWriting(): void {
    let { branch, lsn } = this.position!;
    if (branch.writer !== this.#name || branch.endLsn !== lsn) {
      // Another server has written on this timeline, or did and lost it: the number stays, the history is
      // another.
      branch = new Branch(branch.timeline, branch.systemId, { branch, lsn }, this.#name);
    }
    this.clusterState = "in production";
    this.#write(branch, lsn + CHECKPOINT_BYTES);
  }

  #write(branch: Branch, lsn: number): void {
    branch.endLsn = lsn;
    this.position = { branch, lsn };
  }

  /** Writes a commit of so many bytes and flushes it. */
  commit(bytes: number): void {
    const { branch, lsn } = this.position!;
    this.#write(branch, lsn + bytes);
  }

  /** Tells the clients of all commits up to this position; true: some did not know. */
  acknowledge(lsn: number): boolean {
    const { branch } = this.position!;
    const upTo = Math.min(lsn, branch.endLsn);
    if (upTo <= branch.ackedLsn) return false;
    branch.ackedLsn = upTo;
    branch.acks++;
    return true;
  }

  /** Writes the last record of a primary's clean shutdown; where it begins is returned. */
  writeShutdownCheckpoint(): number {
    const { branch, lsn } = this.position!;
    this.#write(branch, lsn + CHECKPOINT_BYTES);
    this.checkpointLsn = lsn;
    this.clusterState = "shut down";
    return lsn;
  }

  /** Whether it may stream from `other`: a database of the same system whose history contains its WAL. */
  continuesIn(other: ModelDirectory): boolean {
    return other.systemId === this.systemId && contains(other.position!, this.position!);
  }

  /** It would stream from `other` as well by what PostgreSQL looks at: numbers of timelines, and positions. */
  passesFor(other: ModelDirectory): boolean {
    if (other.systemId !== this.systemId) return false;
    const { branch: { timeline }, lsn } = this.position!;
    for (let at = other.position; at !== null; at = at.branch.parent) {
      if (at.branch.timeline === timeline) return lsn <= at.lsn;
    }
    return false;
  }

  /** It has all WAL of `other`. */
  contains(other: ModelDirectory): boolean {
    return other.position !== null && this.position !== null && contains(this.position, other.position);
  }

  /** Takes over WAL of `branch` up to `lsn`. */
  receive(branch: Branch, lsn: number): void {
    const position = this.position!;
    if (position.branch === branch && lsn <= position.lsn) return;
    this.position = { branch, lsn: Math.max(lsn, position.lsn) };
  }

  /** Whether all of its WAL is on the history of `other`; null: one of them has none. */
  compareWith(other: ModelDirectory): "same" | "diverged" | null {
    if (other.position === null || this.position === null) return null;
    // As in history.ts: what it wrote without the lock, no comparison of positions tells.
    if (this.wroteAlone) return "diverged";
    // Its data may be ahead of its WAL.
    const own = { ...this.position, lsn: Math.max(this.position.lsn, this.minRecoveryLsn) };
    return commonAncestor(own, other.position) !== null && contains(other.position, own)
      ? "same"
      : "diverged";
  }
}
