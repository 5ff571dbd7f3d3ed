/** Leadership transfers that were asked for here, until their outcome is known. */
import type { RawNode } from "../core/raw_node.ts";
import type { NodeId } from "../core/types.ts";

type Done = (error: string | null) => void;

interface Waiting {
  readonly to: NodeId;
  readonly deadlineMs: number;
  readonly done: Done;
}

export class Transfer {
  #waiting: Waiting[] = [];
  #later: (run: () => void) => void;

  constructor(later: (run: () => void) => void) {
    this.#later = later;
  }

  /**
   * Begins a transfer. A follower passes the request on to the leader; its only answer is that the leader has
   * changed.
   */
  begin(core: RawNode | null, to: NodeId, deadlineMs: number, done: Done): void {
    const result = core?.transferLeader(to) ?? { kind: "dropped", reason: "noLeader" };
    if (result.kind !== "dropped") this.#waiting.push({ to, deadlineMs, done });
    else this.#later(() => done(result.reason === "alreadyLeader" ? null : result.reason));
  }

  settle(core: RawNode | null): void {
    if (core) this.#endWhere(({ to }) => to === core.leader, null);
  }

  tick(nowMs: number): void {
    this.#endWhere(({ deadlineMs }) => nowMs >= deadlineMs, "the member did not take over in time");
  }

  end(reason: string): void {
    this.#endWhere(() => true, reason);
  }

  #endWhere(over: (waiting: Waiting) => boolean, error: string | null): void {
    if (this.#waiting.length === 0) return;
    const ended = this.#waiting.filter(over);
    this.#waiting = this.#waiting.filter((waiting) => !ended.includes(waiting));
    for (const { done } of ended) this.#later(() => done(error));
  }
}
