/**
 * The leader's part of membership changes: one at a time, in the order of the requests. A new member is
 * recorded, becomes a learner, and is promoted when it has caught up; then the member that it replaces is
 * removed. Every step follows from the configuration in force and the replicated records, so that the next
 * leader goes on where this one stopped.
 */
import type { ConfigChange } from "../core/configuration.ts";
import type { DropReason } from "../core/outcome.ts";
import type { RawNode } from "../core/raw_node.ts";
import { type Configuration, type NodeId, NONE } from "../core/types.ts";
import type { MemberOperation, OperationOutcome } from "./member_messages.ts";
import { memberFlaw } from "./member_flaw.ts";
import type { MemberRecord } from "./member_record.ts";
import type { MemberRecords } from "./member_records.ts";
import type { Contacts } from "./contacts.ts";
import { passes, refusalText } from "./member_refusals.ts";
import type { MemberInfo } from "./raft_options.ts";

/** Time after which the asker is told that the outcome of its change is unknown. */
const PATIENCE_MS = 8000;
/** Ticks until a lost record is proposed again, and between looks at learners. */
const AGAIN_AFTER_TICKS = 10;
const NOBODY_TAKES_OVER = "it leads, and no other voter is in contact to take over";

type Answer = (outcome: OperationOutcome) => void;

interface Running {
  readonly operation: MemberOperation;
  readonly answers: Answer[];
  readonly deadlineMs: number;
  /** Whether the change may be in the log. */
  proposed: boolean;
  lastReason: string;
}

export interface MemberChangesOptions {
  readonly id: NodeId;
  readonly records: MemberRecords;
  /** Time after which a leader has heard from every living member. */
  readonly electionMaxMs: number;
  readonly now: () => number;
  readonly contacts: Pick<Contacts, "counted" | "forgetActive" | "isInContact">;
  /** Name and address of a member without a record, from this node's configuration. */
  readonly infoOf: (id: NodeId) => MemberInfo | null;
  /** Reason why a member must not be removed now; null: it may be. */
  readonly mayRemove: (id: NodeId) => string | null;
  readonly propose: (record: MemberRecord) => void;
  readonly forget: (id: NodeId) => void;
  readonly log: (text: string) => void;
}

export class MemberChanges {
  readonly #options: MemberChangesOptions;
  #running: Running[] = [];
  #ticks = 0;
  /** Tick at which each record was last proposed. */
  #recordedAtTick = new Map<NodeId, number>();
  /** Reason last given for each record that is not followed yet. */
  #waits = new Map<NodeId, string>();
  /** Whether a change that records ask for waits for members to show that they can write. */
  #proving = false;
  /** Time of the first call in this leadership; null before that. */
  #leadsSinceMs: number | null = null;

  constructor(options: MemberChangesOptions) {
    this.#options = options;
  }

  /** Takes a request. `answer` is called once, except after `drop`. */
  run(operation: MemberOperation, answer: Answer): void {
    const same = this.#running.find((running) => keyOf(running.operation) === keyOf(operation));
    if (same) return void same.answers.push(answer);
    this.#running.push({
      operation,
      answers: [answer],
      deadlineMs: this.#options.now() + PATIENCE_MS,
      proposed: false,
      lastReason: "other changes come first",
    });
  }

  /** Drops all requests: this node does not lead any more. */
  drop(): void {
    for (const running of this.#running) this.#end(running, { kind: "retry", reason: "leadership was lost" });
    this.#recordedAtTick.clear();
    this.#waits.clear();
    this.#proving = false;
    this.#options.contacts.forgetActive();
    this.#leadsSinceMs = null;
  }

  tick(core: RawNode): void {
    this.#ticks++;
    const now = this.#options.now();
    this.#options.contacts.counted(core.id, core.status().progress);
    this.step(core);
    for (const running of this.#running) {
      if (now < running.deadlineMs) continue;
      const { operation, proposed, lastReason: reason } = running;
      if (!proposed) this.#forget(operation);
      this.#end(running, { kind: proposed ? "unknown" : "rejected", reason });
    }
    if (this.#running.length === 0 && this.#ticks % AGAIN_AFTER_TICKS === 0) this.#complete(core);
  }

  /**
   * Does what can be done now; called after every turn while this node leads and has applied an entry of its
   * own term.
   */
  step(core: RawNode): void {
    this.#leadsSinceMs ??= this.#options.now();
    for (let first = this.#running[0]; first; first = this.#running[0]) {
      const outcome = this.#advance(core, first);
      if (outcome === null) return;
      this.#end(first, outcome);
    }
    // The proof that members can write comes soon, and does not last.
    if (this.#proving) this.#complete(core);
  }

  /** Takes a request a step further; null: it goes on later. */
  #advance(core: RawNode, running: Running): OperationOutcome | null {
    const { operation } = running;
    const { records } = this.#options;
    const { configurationPending } = core.status();
    if (operation.kind === "add") {
      const { record } = operation;
      if (contains(core.configuration, record.id)) {
        return !configurationPending && this.#recorded(core.configuration, record) ? { kind: "done" } : null;
      }
      const flaw = this.#flawOf(core.configuration, record);
      if (flaw !== null) return { kind: "rejected", reason: flaw };
      if (this.#takesOwnPlace(record)) {
        if (this.#isInContact(core, record.replaces)) {
          return { kind: "rejected", reason: this.#livesOn(record) };
        }
        // A leader that has just been elected has not heard from all members yet.
        if (this.#isYoung) return null;
      }
      // A change that is committed and not applied yet may have its say about the record.
      if (!configurationPending && core.applied < core.commit) return null;
      if (!this.#recorded(core.configuration, record)) return null;
      return this.#propose(core, running, { kind: "addLearner", id: record.id });
    }
    const { id } = operation;
    if (!contains(core.configuration, id)) {
      if (records.isRemoved(id)) return { kind: "done" };
      const settled = !configurationPending && core.applied === core.commit;
      return settled ? { kind: "rejected", reason: refusalText("notMember") } : null;
    }
    const objection = this.#options.mayRemove(id);
    if (objection !== null && !running.proposed) return { kind: "rejected", reason: objection };
    if (!this.#recorded(core.configuration, null)) return null;
    if (id === this.#options.id) return this.#stepAside(core, running);
    return this.#propose(core, running, { kind: "remove", id });
  }

  #propose(core: RawNode, running: Running, change: ConfigChange): OperationOutcome | null {
    const result = core.proposeConfig(change);
    if (result.kind !== "dropped") {
      running.proposed = true;
      this.#options.log(`${describe(change)}: proposed`);
      return null;
    }
    running.lastReason = this.#refusal(core, result.reason);
    // A leader that has just been elected has not heard from all members yet.
    const passing = passes(result.reason) || (this.#isYoung && result.reason === "wouldLoseQuorum");
    return passing ? null : { kind: "rejected", reason: running.lastReason };
  }

  #refusal(core: RawNode, reason: DropReason): string {
    const hanging = core.status().progress.filter(({ diskHangs }) => diskHangs);
    return refusalText(reason, hanging.map(({ id }) => this.#nameOf(id)));
  }

  #nameOf(id: NodeId): string {
    const info = this.#options.infoOf(id);
    return info?.name ?? (info?.addr || `member ${id}`);
  }

  /** Takes back the record of a node that will not become a member. */
  #forget(operation: MemberOperation): void {
    const { records, forget } = this.#options;
    if (operation.kind === "add" && records.record(operation.record.id)) forget(operation.record.id);
  }

  /** Hands leadership over when the leader is to be removed; its successor removes it. */
  #stepAside(core: RawNode, running: Running): OperationOutcome | null {
    const { voters } = core.configuration;
    if (voters.length === 1) return { kind: "rejected", reason: refusalText("lastVoter") };
    if (!handOver(core)) running.lastReason = NOBODY_TAKES_OVER;
    else running.lastReason = "it leads, and leadership could not be handed over";
    return null;
  }

  /** Whether every member, and `next`, is recorded; proposes what is missing. */
  #recorded(configuration: Configuration, next: MemberRecord | null): boolean {
    const { records, infoOf, propose } = this.#options;
    const ids = [...configuration.voters, ...configuration.learners];
    const missing = ids.filter((id) => records.record(id) === null).map((id): MemberRecord => {
      const { name, addr } = infoOf(id) ?? { name: null, addr: "" };
      return { id, name, addr, votes: configuration.voters.includes(id), replaces: 0 };
    });
    if (next !== null && records.record(next.id) === null) missing.push(next);
    for (const record of missing) {
      if (this.#ticks - (this.#recordedAtTick.get(record.id) ?? -Infinity) < AGAIN_AFTER_TICKS) continue;
      this.#recordedAtTick.set(record.id, this.#ticks);
      propose(record);
    }
    return missing.length === 0;
  }

  #flawOf(configuration: Configuration, record: MemberRecord): string | null {
    const { records, infoOf } = this.#options;
    // A record that an older program let through, or a follower made up, must not be written.
    const flaw = memberFlaw(record);
    if (flaw !== null) return flaw;
    if (records.isRemoved(record.id)) return "a member with this id was removed: ids are never used again";
    if (record.replaces !== 0 && !contains(configuration, record.replaces)) {
      return `${record.replaces}, which it is to replace, is no member`;
    }
    for (const id of [...configuration.voters, ...configuration.learners]) {
      if (id === record.replaces) continue;
      const other = records.record(id) ?? infoOf(id);
      if (other?.addr === record.addr) {
        return `the address ${record.addr} is that of ${
          other.name ?? id
        }: remove that member first, or replace it`;
      }
      if (other?.name !== null && other?.name === record.name) {
        return `the name ${record.name} is that of the member at ${other.addr}: remove it first, or replace it`;
      }
    }
    return null;
  }

  /**
   * Carries out what records ask for beyond the pending requests: promotions, and removals of replaced
   * members.
   */
  #complete(core: RawNode): void {
    const { records, id: own, log } = this.#options;
    const { configuration } = core;
    this.#proving = false;
    if (core.status().configurationPending) return;
    for (const record of records.all) {
      const { id, votes, replaces } = record;
      const listens = configuration.learners.includes(id);
      const change: ConfigChange | null = votes && listens
        ? { kind: "promote", id }
        : hasArrived(configuration, record) && contains(configuration, replaces)
        ? { kind: "remove", id: replaces }
        : null;
      if (change === null) {
        this.#waits.delete(id);
        continue;
      }
      const objection = change.kind === "remove" ? this.#options.mayRemove(change.id) : null;
      if (objection !== null) {
        this.#waitFor(id, change, objection);
        continue;
      }
      if (change.id === own) {
        if (!handOver(core)) this.#waitFor(id, change, NOBODY_TAKES_OVER);
        return;
      }
      const result = core.proposeConfig(change);
      if (result.kind !== "dropped") return log(`${describe(change)}: proposed`);
      if (result.reason === "writesUnproven") this.#proving = true;
      if (!passes(result.reason)) this.#waitFor(id, change, this.#refusal(core, result.reason));
    }
  }

  /** Logs the reason once: the wait may take minutes. */
  #waitFor(newcomer: NodeId, change: ConfigChange, reason: string): void {
    const text = change.kind === "remove"
      ? `${this.#nameOf(newcomer)} is to replace ${this.#nameOf(change.id)}, which stays for now: ${reason}`
      : `${this.#nameOf(newcomer)} is to vote, and waits: ${reason}`;
    if (this.#waits.get(newcomer) === text) return;
    this.#waits.set(newcomer, text);
    this.#options.log(text);
  }

  get #isYoung(): boolean {
    return this.#options.now() - (this.#leadsSinceMs ?? 0) < this.#options.electionMaxMs;
  }

  #takesOwnPlace({ replaces, addr }: MemberRecord): boolean {
    return replaces !== NONE && this.#options.infoOf(replaces)?.addr === addr;
  }

  #isInContact(core: RawNode, id: NodeId): boolean {
    return id === core.id || this.#options.contacts.isInContact(id, core.status().progress);
  }

  /** Reason why the living member keeps the address: no other node could ever answer there to the new id. */
  #livesOn({ addr }: MemberRecord): string {
    return `the member at ${addr} is in contact, and is not replaced by itself: stop it, empty its raft directory and ` +
      "start it (it takes its own place), or remove it";
  }

  #end(running: Running, outcome: OperationOutcome): void {
    this.#running = this.#running.filter((other) => other !== running);
    for (const answer of running.answers) answer(outcome);
  }
}

function contains({ voters, learners }: Configuration, id: NodeId): boolean {
  return voters.includes(id) || learners.includes(id);
}

/** Whether a member has arrived: it votes if it is to vote, and so has caught up. */
function hasArrived({ voters, learners }: Configuration, { id, votes }: MemberRecord): boolean {
  return votes ? voters.includes(id) : learners.includes(id);
}

function keyOf(operation: MemberOperation): string {
  return operation.kind === "add" ? `add ${operation.record.id}` : `remove ${operation.id}`;
}

function describe({ kind, id }: ConfigChange): string {
  return kind === "addLearner"
    ? `member ${id} joins`
    : kind === "promote"
    ? `member ${id} votes`
    : `member ${id} leaves`;
}

/** Hands leadership to the voter that has most of the log. False when none is in contact. */
function handOver(core: RawNode): boolean {
  const { progress, transferee } = core.status();
  if (transferee !== 0) return true;
  const voters = progress.filter(({ id, voter, recentActive }) => voter && recentActive && id !== core.id);
  const best = voters.sort((a, b) => b.match - a.match)[0];
  return best !== undefined && core.transferLeader(best.id).kind === "started";
}
