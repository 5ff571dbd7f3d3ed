/**
 * Carries the status of members without an address to each other. They dial the members that have one, and
 * are not dialled: two of them share no connection. The raft leader has a connection with every member, and
 * passes on the statuses that it hears. These serve display and the choice of an upstream only: the leader
 * decides by statuses that it has heard itself.
 */
import { canBeDialed, type Raft } from "../../../raft/mod.ts";
import { decodeRelayed, encodeRelayed, RELAY_CHANNEL } from "./messages.ts";

export class StatusRelay {
  readonly #raft: Pick<Raft, "id" | "status" | "send" | "onChannel">;

  /**
   * `heard`: a status that `from` has sent to the leader, and that the leader has passed on to this member.
   */
  constructor(
    raft: Pick<Raft, "id" | "status" | "send" | "onChannel">,
    heard: (from: number, bytes: Uint8Array) => void,
  ) {
    this.#raft = raft;
    raft.onChannel(RELAY_CHANNEL, (from, bytes) => {
      const relayed = from === raft.status().leader ? decodeRelayed(bytes) : null;
      if (relayed !== null && relayed.from !== raft.id) heard(relayed.from, relayed.status);
    });
  }

  /**
   * A status came from its sender itself. It was parsed, so it fits into a frame with its envelope. `status`:
   * the full one, as it would have been sent.
   */
  pass(from: number, status: () => Uint8Array): void {
    const { role, id, members } = this.#raft.status();
    if (role !== "leader") return;
    const undialed = members.filter(({ addr }) => !canBeDialed(addr)).map((member) => member.id);
    if (!undialed.includes(from)) return;
    const bytes = encodeRelayed({ from, status: status() });
    for (const to of undialed) if (to !== from && to !== id) this.#raft.send(to, RELAY_CHANNEL, bytes);
  }
}
