/**
 * A RaftNode's membership: requests made here, the leader's changes, the addresses that the transport needs,
 * and the notice to removed members. Called within the node's turns.
 */
import type { Contacts } from "./contacts.ts";
import type { RawNode } from "../core/raw_node.ts";
import { type NodeId, NONE } from "../core/types.ts";
import type { AddOutcome, MemberOutcome, NewMember } from "./api.ts";
import { encodeEnvelope } from "./envelope.ts";
import { MemberChanges } from "./member_changes.ts";
import {
  decodeMemberMessage,
  encodeMemberMessage,
  type MemberMessage,
  type MemberOperation,
  MEMBERS_CHANNEL,
  type OperationOutcome,
} from "./member_messages.ts";
import { memberFlaw } from "./member_flaw.ts";
import type { MemberRecord } from "./member_record.ts";
import type { MemberRecords } from "./member_records.ts";
import { MemberRequests } from "./member_requests.ts";
import type { Clock, Transport } from "./ports.ts";
import type { LogSink, MemberInfo } from "./raft_options.ts";

export interface MembershipOptions {
  readonly id: NodeId;
  /** Members of this node's configuration, for those without a record. */
  readonly members: readonly MemberInfo[];
  readonly records: MemberRecords;
  readonly clock: Clock;
  readonly electionMaxMs: number;
  readonly contacts: Contacts;
  readonly transport: Transport;
  readonly random: () => number;
  readonly log: LogSink;
  /** Core of this member; null before it takes part. */
  readonly core: () => RawNode | null;
  /** This node leads and has applied an entry of its own term. */
  readonly leads: () => boolean;
  readonly tellRemoved: (id: NodeId) => void;
  readonly mayRemove: (member: MemberInfo) => string | null;
  /** Runs later, outside of the core. */
  readonly later: (run: () => void) => void;
}

export class Membership {
  readonly #options: MembershipOptions;
  readonly #changes: MemberChanges;
  readonly #requests: MemberRequests;
  #leading = false;
  /** Version of the records that the transport knows. */
  #seenVersion = 0;
  #told = new Set<NodeId>();

  constructor(options: MembershipOptions) {
    this.#options = options;
    const { id, records, clock, contacts, electionMaxMs, later, mayRemove } = options;
    const propose = (envelope: Parameters<typeof encodeEnvelope>[0]) =>
      void options.core()?.propose(encodeEnvelope(envelope));
    this.#changes = new MemberChanges({
      id,
      records,
      electionMaxMs,
      contacts,
      now: () => clock.now(),
      infoOf: (member) => this.infoOf(member),
      mayRemove: (member) => mayRemove(this.infoOf(member) ?? { id: member, name: null, addr: "" }),
      propose: (record) => propose({ kind: "member", record }),
      forget: (member) => propose({ kind: "forget", member }),
      log: (text) => options.log("info", "raft_members", text),
    });
    this.#requests = new MemberRequests({
      id,
      now: () => clock.now(),
      leader: () => {
        const leader = options.core()?.leader ?? NONE;
        return leader === NONE ? null : leader;
      },
      send: (to, message) => this.#send(to, message),
      run: (operation, answer) => this.#run(operation, answer),
      later,
    });
  }

  infoOf(id: NodeId): MemberInfo | null {
    const { records, members } = this.#options;
    return records.record(id) ?? members.find((member) => member.id === id) ?? null;
  }

  add({ addr, name, votes = true }: NewMember, replaces: NodeId, done: (outcome: AddOutcome) => void): void {
    const { random, later, records } = this.#options;
    let id: NodeId = NONE;
    do id = 1 + Math.floor(random() * (2 ** 48 - 1)); while (
      this.infoOf(id) !== null || records.isRemoved(id)
    );
    const record: MemberRecord = { id, name, addr, votes, replaces };
    const flaw = addr === "" ? '"" is no address: "host:port" is expected' : memberFlaw(record);
    if (flaw !== null) return later(() => done({ kind: "rejected", reason: flaw }));
    this.#requests.add({ kind: "add", record }, (outcome) => {
      done(outcome.kind === "done" ? { kind: "done", id, members: this.all() } : outcome);
    });
  }

  remove(id: NodeId, done: (outcome: MemberOutcome) => void): void {
    this.#requests.add({ kind: "remove", id }, done);
  }

  /** Takes a frame of MEMBERS_CHANNEL. */
  frame(from: NodeId, payload: Uint8Array): void {
    const message = decodeMemberMessage(payload);
    if (message?.kind === "answer") return this.#requests.answered(message.seq, message.outcome);
    if (!message) return;
    const { seq, operation } = message;
    this.#run(operation, (outcome) => this.#send(from, { kind: "answer", seq, outcome }));
  }

  /** Whether `from` was removed; if so, it is told. */
  turnAway(from: NodeId): boolean {
    const { records, tellRemoved } = this.#options;
    if (!records.isRemoved(from)) return false;
    tellRemoved(from);
    return true;
  }

  /** Called at the end of every turn. */
  settle(): void {
    const core = this.#options.core();
    const leading = this.#options.leads();
    if (this.#leading && !leading) this.#changes.drop();
    this.#leading = leading;
    if (core && leading) this.#changes.step(core);
    this.#followRecords();
  }

  tick(): void {
    const core = this.#options.core();
    if (core && this.#leading) this.#changes.tick(core);
    this.#requests.tick();
  }

  leaderChanged(): void {
    this.#requests.leaderChanged();
  }

  end(reason: string): void {
    this.#requests.endAll(reason);
  }

  #run(operation: MemberOperation, answer: (outcome: OperationOutcome) => void): void {
    const core = this.#options.core();
    if (!core || core.role !== "leader") {
      return answer({ kind: "retry", reason: "leadership has just changed" });
    }
    if (!this.#leading) return answer({ kind: "retry", reason: "the leader has not yet committed anything" });
    this.#changes.run(operation, answer);
  }

  #send(to: NodeId, message: MemberMessage): void {
    this.#options.transport.send(to, MEMBERS_CHANNEL, encodeMemberMessage(message));
  }

  /** All members of the configuration in force. */
  all(): MemberInfo[] {
    const { voters, learners } = this.#options.core()?.configuration ?? { voters: [], learners: [] };
    return [...voters, ...learners].map((id) => {
      const { name, addr } = this.infoOf(id) ?? { name: null, addr: "" };
      return { id, name, addr };
    });
  }

  #followRecords(): void {
    const { id: own, records, members, transport } = this.#options;
    if (records.version === this.#seenVersion) return;
    this.#seenVersion = records.version;
    for (const id of records.removed) {
      if (this.#told.has(id) || id === own) continue;
      this.#told.add(id);
      this.#options.tellRemoved(id);
    }
    const known = new Map([...members, ...records.all].map((member) => [member.id, member]));
    const peers = [...known.values()].filter(({ id }) => id !== own && !records.isRemoved(id));
    transport.setPeers?.(peers.map(({ id, name, addr }) => ({ id, name, addr })), records.removed);
  }
}
