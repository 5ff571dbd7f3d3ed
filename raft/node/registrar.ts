/**
 * The other side of admission.ts: remembers the directory with which each member takes part, has the leader
 * record it in the log, and answers members whose directory is empty.
 *
 * A leader proposes these records first in its term, before any command of its own. So a command that was
 * committed with a member's help stands behind the record that this member takes part.
 */
import type { NodeId } from "../core/types.ts";
import type { Verdict } from "./admission_messages.ts";
import type { Sessions } from "./sessions.ts";

/** Ticks until a lost record is proposed again. */
const AGAIN_AFTER_TICKS = 20;

export interface RegistrarOptions {
  readonly id: NodeId;
  readonly instance: number;
  readonly sessions: Sessions;
  /** Proposes a record; only called while leading. */
  readonly propose: (member: NodeId, instance: number) => void;
}

export class Registrar {
  #options: RegistrarOptions;
  /** Directory of each member, from its hello. */
  #instances = new Map<NodeId, number>();
  /** Members that have sent raft messages to this node, with the directory they had then; 0: not known. */
  #heard = new Map<NodeId, number>();
  #proposed = new Map<NodeId, number>();
  #ticks = 0;

  constructor(options: RegistrarOptions) {
    this.#options = options;
    this.#heard.set(options.id, options.instance);
  }

  hello(from: NodeId, instance: number): void {
    this.#instances.set(from, instance);
  }

  /** Notes that a raft message came from this member: it takes part. */
  heard(from: NodeId): void {
    if (!this.#heard.has(from)) this.#heard.set(from, this.#instances.get(from) ?? 0);
  }

  /**
   * Answer to a member with an empty directory. `leads`: this node leads and has applied an entry of its own
   * term.
   */
  verdict(from: NodeId, instance: number, hasLog: boolean, leads: boolean): Verdict {
    if (!hasLog) return "noLog";
    const { sessions } = this.#options;
    const joined = sessions.joined(from);
    if (joined !== null && joined !== instance) return "refused";
    if (joined === instance && leads) return "welcome";
    if (joined === null && leads) this.#record(from, this.#heard.get(from) ?? instance);
    return "log";
  }

  /** Records the members heard so far, because this node has begun to lead. */
  leading(): void {
    this.#proposed.clear();
    this.#recordHeard();
  }

  tick(leads: boolean): void {
    this.#ticks++;
    if (leads) this.#recordHeard();
  }

  #recordHeard(): void {
    const { sessions } = this.#options;
    for (const [member, instance] of this.#heard) {
      if (sessions.joined(member) === null) this.#record(member, instance);
    }
  }

  #record(member: NodeId, instance: number): void {
    const proposedAt = this.#proposed.get(member);
    if (proposedAt !== undefined && this.#ticks - proposedAt < AGAIN_AFTER_TICKS) return;
    this.#proposed.set(member, this.#ticks);
    this.#options.propose(member, instance);
  }
}
