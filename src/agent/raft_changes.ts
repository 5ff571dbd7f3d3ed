/**
 * What an operator asks of the raft group by names: finds the member that is meant, has raft carry it out, and drops what
 * the records know of a member that has left.
 */
import type { MemberOutcome, PeerStatus, Raft } from "../../raft/mod.ts";
import type { RaftChange } from "../api/port.ts";
import type { CommandBody } from "../dcs/commands.ts";
import type { DcsState } from "../model/records.ts";
import type { WitnessNotice } from "../model/witness_notice.ts";
import type { CommandOutcome } from "./proposer.ts";

export interface RaftChangesOptions {
  readonly raft: Raft;
  readonly records: () => DcsState;
  /** Those that are no members of the records. */
  readonly witnesses: () => readonly WitnessNotice[];
  readonly propose: (body: CommandBody) => Promise<CommandOutcome>;
}

export class RaftChanges {
  readonly #options: RaftChangesOptions;

  constructor(options: RaftChangesOptions) {
    this.#options = options;
  }

  change(change: RaftChange): Promise<MemberOutcome> {
    const { raft } = this.#options;
    if (change.kind === "add") {
      const { address: addr, name, votes } = change;
      return new Promise((resolve) => raft.addMember({ addr, name, votes }, resolve));
    }
    const found = this.#member(change.name);
    if (typeof found === "string") return Promise.resolve({ kind: "rejected", reason: found });
    if (change.kind === "remove") return this.#remove(change.name, found);
    const member = { addr: change.address, name: change.newName };
    return new Promise((resolve) => raft.replaceMember(found.id, member, resolve));
  }

  /** null: done, else why not. */
  transfer(name: string): Promise<string | null> {
    const found = this.#member(name);
    if (typeof found === "string") return Promise.resolve(found);
    return new Promise((resolve) => this.#options.raft.transferLeadership(found.id, resolve));
  }

  /** Of this member's log. */
  snapshot(): Promise<MemberOutcome> {
    return new Promise((resolve) => this.#options.raft.takeSnapshot(resolve));
  }

  /** By its name, or by its address; else why there is none. */
  #member(name: string): PeerStatus | string {
    const { raft, records, witnesses } = this.#options;
    const addr = (records().members[name] ?? witnesses().find((one) => one.name === name))?.raftAddr;
    const found = raft.status().members.filter((member) =>
      member.name === name || member.addr === name || (addr !== undefined && member.addr === addr)
    );
    if (found.length > 1) {
      return `there is more than one member ${name} (a replacement is under way): say its address`;
    }
    return found[0] ?? `there is no member named ${name} in the raft group`;
  }

  async #remove(name: string, { id, addr }: PeerStatus): Promise<MemberOutcome> {
    const { raft, records, propose } = this.#options;
    const outcome = await new Promise<MemberOutcome>((resolve) => raft.removeMember(id, resolve));
    if (outcome.kind !== "done") return outcome;
    const known = Object.values(records().members).find((facts) => facts.raftAddr === addr);
    const dropped = known === undefined
      ? null
      : await propose({ op: "dropMember", name: known.name, raftAddr: known.raftAddr });
    if (dropped === null || dropped.kind === "done") return outcome;
    const reason = dropped.reason ?? dropped.kind;
    return {
      kind: "unknown",
      reason: `${name} has left the raft group, but is still in the records: ${reason}`,
    };
  }
}
