/**
 * Applies entries: unwraps them, drops those that were applied before, and hands the rest to the state
 * machine. No entry of the log throws, except the record that all members know a version of commands which
 * this program does not: that is an UpgradeNeededError (versions.ts has the rule).
 */
import { ByteReader, ByteWriter, DecodeError } from "../core/bytes.ts";
import { decodeConfiguration } from "../core/configuration.ts";
import { type CommandEnvelope, decodeEnvelope, type JoinedEnvelope } from "./envelope.ts";
import { MemberRecords } from "./member_records.ts";
import { Sessions } from "./sessions.ts";
import type { StateMachine } from "./ports.ts";
import { UnreadableSnapshotError } from "./unreadable_snapshot.ts";
import { UpgradeNeededError } from "./upgrade_needed.ts";
import type { Entry, Index, NodeId } from "../core/types.ts";

/** `duplicate`: applied before, or given up by its origin; it had no effect. */
export type Applied =
  | { readonly kind: "command"; readonly envelope: CommandEnvelope; readonly result: unknown }
  | { readonly kind: "duplicate"; readonly envelope: CommandEnvelope }
  | { readonly kind: "joined"; readonly envelope: JoinedEnvelope }
  | { readonly kind: "nothing" };

export class ReplicatedState {
  readonly sessions = new Sessions();
  readonly members = new MemberRecords();
  /** Index of the last entry applied or restored. */
  index: Index = 0;
  #machine: StateMachine;

  #knows: number;

  /** `knows`: latest version of commands that this program can apply. */
  constructor(machine: StateMachine, knows: number) {
    this.#machine = machine;
    this.#knows = knows;
  }

  apply(entry: Entry): Applied {
    this.index = entry.index;
    // The border (core/message.ts) has tried to decode it.
    if (entry.kind === "config") this.members.applied(decodeConfiguration(entry.data));
    const envelope = entry.kind === "normal" && entry.data.length > 0 ? decodeEnvelope(entry.data) : null;
    if (!envelope) return { kind: "nothing" };
    if (envelope.kind === "member") {
      this.members.put(envelope.record);
      return { kind: "nothing" };
    }
    if (envelope.kind === "forget") {
      this.members.forget(envelope.member);
      return { kind: "nothing" };
    }
    if (envelope.kind === "version") {
      // Leaders go up one by one. Any other number was recorded by no leader, and must not stop a member for
      // good.
      if (envelope.version === this.sessions.agreedVersion + 1) this.sessions.agree(envelope.version);
      this.#mustKnowAgreed();
      return { kind: "nothing" };
    }
    if (envelope.kind === "joined") {
      this.sessions.join(envelope);
      return { kind: "joined", envelope };
    }
    if (!this.sessions.admit(envelope)) return { kind: "duplicate", envelope };
    const { agreedVersion } = this.sessions;
    const result = this.#machine.apply(envelope.command, entry.index, entry.term, agreedVersion);
    this.sessions.applied(envelope, result);
    return { kind: "command", envelope, result };
  }

  /** Says, for people, why a command must not be proposed now; null: it may be. */
  refusal(command: Uint8Array): string | null {
    return this.#machine.refusal?.(command, this.sessions.agreedVersion) ?? null;
  }

  /** Says why the leader must not append an entry that the member `from` has passed on; null: it may. */
  refusalOfForwarded(from: NodeId, data: Uint8Array): string | null {
    const envelope = decodeEnvelope(data);
    if (envelope === null) return "it is of an unknown kind";
    if (envelope.kind !== "command") return "only the leader records members and versions";
    if (envelope.origin !== from) return "it is in the name of another member";
    return this.refusal(envelope.command);
  }

  /** Throws when later commands are in force: this program would apply only some of them. */
  #mustKnowAgreed(): void {
    const { agreedVersion } = this.sessions;
    if (agreedVersion <= this.#knows) return;
    throw new UpgradeNeededError(
      `the cluster uses commands of version ${agreedVersion}, and this program knows those up to version ${this.#knows}`,
    );
  }

  snapshot(): Uint8Array {
    const sessions = this.sessions.encode();
    const members = this.members.encode();
    const machine = this.#machine.snapshot();
    const writer = new ByteWriter(8 + sessions.length + members.length + machine.length);
    for (const part of [sessions, members]) {
      writer.u32(part.length);
      writer.raw(part);
    }
    writer.raw(machine);
    return writer.finish();
  }

  /**
   * Restores a snapshot. Throws UpgradeNeededError, and UnreadableSnapshotError for bytes that are none of
   * this program's snapshots.
   */
  restore(data: Uint8Array, index: Index): void {
    try {
      const { sessions, members, machine } = partsOf(data);
      this.sessions.restore(sessions);
      this.#mustKnowAgreed();
      this.members.restore(members);
      this.#machine.restore(machine);
    } catch (error) {
      throw error instanceof UpgradeNeededError ? error : new UnreadableSnapshotError(index, error);
    }
    this.index = index;
  }

  /**
   * Says why a snapshot of the leader must not even be written: this member would end at it, now and after
   * each restart. Null: it can be restored, or belongs to a later version of the program.
   */
  snapshotFlaw(data: Uint8Array): string | null {
    try {
      const { sessions, members, machine } = partsOf(data);
      const read = new Sessions();
      read.restore(sessions);
      if (read.agreedVersion > this.#knows) return null;
      new MemberRecords().restore(members);
      return this.#machine.snapshotFlaw?.(machine) ?? null;
    } catch (error) {
      if (error instanceof DecodeError) return error.message;
      throw error;
    }
  }
}

/** Splits a snapshot; throws DecodeError. */
function partsOf(data: Uint8Array) {
  const reader = new ByteReader(data);
  return {
    sessions: reader.raw(reader.u32()),
    members: reader.raw(reader.u32()),
    machine: reader.raw(reader.remaining),
  };
}
