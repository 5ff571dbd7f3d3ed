/**
 * Changes of the raft group that an operator asks for by names: finds the member that is meant, has raft
 * carry the change out, and drops from the records a member that has left.
 */
import type { MemberOutcome, PeerStatus, Raft } from "../../../raft/mod.ts";
import type { RaftChange } from "../../api/port.ts";
import type { CommandBody } from "../../dcs/commands.ts";
import { type DcsState, knownMember } from "../../model/records.ts";
import type { WitnessNotice } from "../../model/witness_notice.ts";
import type { CommandOutcome } from "../lease/proposer.ts";

export interface RaftChangesOptions {
  readonly raft: Raft;
  readonly records: () => DcsState;
  /** The witnesses, which are no members of the records. */
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
      const taken = this.#whyTaken(name, addr, null);
      if (taken !== null) return Promise.resolve({ kind: "rejected", reason: taken });
      return new Promise((resolve) => raft.addMember({ addr, name, votes }, resolve));
    }
    const found = this.#member(change.name);
    if (typeof found === "string") return Promise.resolve({ kind: "rejected", reason: found });
    if (change.kind === "remove") return this.#remove(change.name, found);
    const taken = this.#whyTaken(change.newName, change.address, found);
    if (taken !== null) return Promise.resolve({ kind: "rejected", reason: taken });
    const member = { addr: change.address, name: change.newName };
    return new Promise((resolve) => raft.replaceMember(found.id, member, resolve));
  }

  /** null: done, else why not. */
  transfer(name: string): Promise<string | null> {
    const found = this.#member(name);
    if (typeof found === "string") return Promise.resolve(found);
    return new Promise((resolve) => this.#options.raft.transferLeadership(found.id, resolve));
  }

  /** Takes a snapshot of this member's log. */
  snapshot(): Promise<MemberOutcome> {
    return new Promise((resolve) => this.#options.raft.takeSnapshot(resolve));
  }

  /**
   * Two members of one name can only be told apart by their ids, and the second one is refused when it
   * starts.
   */
  #whyTaken(name: string | null, addr: string, replaced: PeerStatus | null): string | null {
    if (name === null) return null;
    const { raft, records } = this.#options;
    const known = knownMember(records(), name)?.raftAddr ?? undefined;
    const others = raft.status().members.filter((one) => one.id !== replaced?.id && one.addr !== addr);
    const other = others.find((one) => one.name === name || one.addr === known);
    return other === undefined
      ? null
      : `${name} is the name of the member at ${other.addr}: give the new one another name, ` +
        `or put it in that member's place (agent ctl raft replace ${name} ${addr})`;
  }

  /**
   * Finds a member by its name, its address, or the raft id that the status shows; else says why there is
   * none. Only the id is never shared: a host that takes the place of a member has its address, and mostly
   * its name.
   */
  #member(name: string): PeerStatus | string {
    const { raft, records, witnesses } = this.#options;
    const { members } = raft.status();
    const addr = (knownMember(records(), name) ?? witnesses().find((one) => one.name === name))?.raftAddr;
    const found = members.filter((member) =>
      member.name === name || member.addr === name || (addr !== undefined && member.addr === addr)
    );
    if (found.length > 1) {
      const which = found.map((one) =>
        `${one.id} (${one.name === null ? "" : `${one.name} `}at ${one.addr})`
      );
      return `there is more than one member ${name}: say which by its raft id, ${which.join(" or ")}`;
    }
    return found[0] ?? members.find(({ id }) => String(id) === name) ??
      `there is no member named ${name} in the raft group`;
  }

  async #remove(name: string, { id, addr }: PeerStatus): Promise<MemberOutcome> {
    const { raft, records, propose } = this.#options;
    const outcome = await new Promise<MemberOutcome>((resolve) => raft.removeMember(id, resolve));
    if (outcome.kind !== "done") return outcome;
    // Where two shared the address, the other one is still that member.
    const isShared = raft.status().members.some((other) => other.id !== id && other.addr === addr);
    const known = isShared
      ? undefined
      : Object.values(records().members).find((facts) => facts.raftAddr === addr);
    const dropped = known === undefined
      ? null
      : await propose({ op: "dropMember", name: known.name, raftAddr: known.raftAddr });
    if (dropped === null || dropped.kind === "done") return outcome;
    // The raft leader drops members that have left, too.
    if (knownMember(records(), known!.name)?.raftAddr !== addr) return outcome;
    const reason = dropped.reason ?? dropped.kind;
    return {
      kind: "unknown",
      reason: `${name} has left the raft group, but is still in the records: ${reason}`,
    };
  }
}
