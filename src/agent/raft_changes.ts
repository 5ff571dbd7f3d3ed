/**
 * Changes of the group of voters that an operator asks for by names: finds the member that is meant, has raft carry the
 * change out, and drops what the records know of one that has left.
 */
import type { MemberOutcome, PeerStatus, Raft } from "../../raft/mod.ts";
import type { RaftChange } from "../api/port.ts";
import type { CommandBody } from "../dcs/commands.ts";
import type { DcsState } from "../model/records.ts";
import type { CommandOutcome } from "./proposer.ts";

export interface RaftChangesOptions {
  readonly raft: Raft;
  readonly records: () => DcsState;
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
    const found = this.member(change.name);
    if (typeof found === "string") return Promise.resolve({ kind: "rejected", reason: found });
    if (change.kind === "remove") return this.#remove(change.name, found);
    const member = { addr: change.address, name: change.newName };
    return new Promise((resolve) => raft.replaceMember(found.id, member, resolve));
  }

  /** By its name, or by its address; else why there is none. */
  member(name: string): PeerStatus | string {
    const { raft, records } = this.#options;
    const addr = records().members[name]?.raftAddr;
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
