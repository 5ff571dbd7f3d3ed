/**
 * Applies entries: unwraps them, drops what was applied before, hands the rest to the state machine. What only a later
 * version of the program can read throws UpgradeNeededError.
 */
import { ByteReader, ByteWriter } from "../core/bytes.ts";
import { decodeConfiguration } from "../core/configuration.ts";
import { type CommandEnvelope, decodeEnvelope, type JoinedEnvelope } from "./envelope.ts";
import { MemberRecords } from "./member_records.ts";
import { Sessions } from "./sessions.ts";
import type { StateMachine } from "./ports.ts";
import { UpgradeNeededError } from "./upgrade_needed.ts";
import type { Entry, Index } from "../core/types.ts";

/** `duplicate`: applied before, or given up by its origin; nothing was done. */
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

  /** `knows`: the latest version of commands that this program can apply. */
  constructor(machine: StateMachine, knows: number) {
    this.#machine = machine;
    this.#knows = knows;
  }

  apply(entry: Entry): Applied {
    this.index = entry.index;
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
      this.sessions.agree(envelope.version);
      this.#mustKnowAgreed();
      return { kind: "nothing" };
    }
    if (envelope.kind === "joined") {
      this.sessions.join(envelope);
      return { kind: "joined", envelope };
    }
    if (!this.sessions.admit(envelope)) return { kind: "duplicate", envelope };
    const result = this.#machine.apply(envelope.command, entry.index, entry.term);
    this.sessions.applied(envelope, result);
    return { kind: "command", envelope, result };
  }

  /** A state that later commands belong to would be applied in part. */
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

  restore(data: Uint8Array, index: Index): void {
    const reader = new ByteReader(data);
    this.sessions.restore(reader.raw(reader.u32()));
    this.#mustKnowAgreed();
    this.members.restore(reader.raw(reader.u32()));
    this.#machine.restore(reader.raw(reader.remaining));
    this.index = index;
  }
}
