/**
 * Decides which commands may be proposed while members are upgraded one after another. Each program says,
 * when it connects, which version of commands it knows. When all members, learners too, have said that they
 * know a later one, the leader records that in the log, one version at a time. Only then are commands of that
 * version proposed. The record is never taken back: a member that is downgraded meets it, or a snapshot that
 * contains it, and stops.
 *
 * The log alone decides what an entry means, by the version that was recorded before the entry's place. A
 * later command, a later kind of entry and garbage are no-ops there, on every member alike, even on a program
 * that knows better. A program that is older than the version in force has stopped at the record, before any
 * entry of that version. So no program ever skips what another one does, and only that record can stop a
 * member. Only a leader that has heard all members writes the record; it is not taken from others
 * (ReplicatedState.refusalOfForwarded).
 */
import type { Configuration, NodeId } from "../core/types.ts";
import type { Sessions } from "./sessions.ts";

/** Ticks until a lost record is proposed again. */
const AGAIN_AFTER_TICKS = 20;

export interface VersionsOptions {
  readonly id: NodeId;
  /** Version that this program knows. */
  readonly own: number;
  readonly sessions: Sessions;
  readonly configuration: () => Configuration | null;
  readonly nameOf: (id: NodeId) => string;
  /** Proposes a record; only called while leading. */
  readonly propose: (version: number) => void;
}

export class Versions {
  #options: VersionsOptions;
  /** Version that each of the others said last. */
  #heard = new Map<NodeId, number>();
  #ticks = 0;
  #proposed: { readonly version: number; readonly atTick: number } | null = null;

  constructor(options: VersionsOptions) {
    this.#options = options;
  }

  hello(from: NodeId, version: number): void {
    this.#heard.set(from, version);
  }

  /** Says why a command of this version cannot be proposed now; null: it can. */
  refusal(version: number): string | null {
    const { own, sessions } = this.#options;
    if (version <= sessions.agreedVersion) return null;
    const who = this.#members().filter((id) => (this.#versionOf(id) ?? 0) < version);
    const names = who.map((id) => {
      const known = this.#versionOf(id);
      return `${this.#options.nameOf(id)} (${known === null ? "not heard from" : `knows ${known}`})`;
    });
    if (version > own || names.length > 0) {
      return `not all members know commands of version ${version} yet: ${names.join(", ")}`;
    }
    return `the log does not record yet that all members know commands of version ${version}`;
  }

  /** `leads`: this node leads and has applied an entry of its own term. */
  tick(leads: boolean): void {
    this.#ticks++;
    const { sessions } = this.#options;
    const members = this.#members();
    if (!leads || members.length === 0) return;
    const known = Math.min(...members.map((id) => this.#versionOf(id) ?? 0));
    if (known <= sessions.agreedVersion) return;
    const version = sessions.agreedVersion + 1;
    const last = this.#proposed;
    if (last?.version === version && this.#ticks - last.atTick < AGAIN_AFTER_TICKS) return;
    this.#proposed = { version, atTick: this.#ticks };
    this.#options.propose(version);
  }

  #members(): readonly NodeId[] {
    const { voters, learners } = this.#options.configuration() ?? { voters: [], learners: [] };
    return [...voters, ...learners];
  }

  #versionOf(id: NodeId): number | null {
    return id === this.#options.id ? this.#options.own : this.#heard.get(id) ?? null;
  }
}
