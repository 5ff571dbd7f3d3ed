/**
 * A command whose application was acknowledged is never lost: at the end of a run the records of every member
 * stand on it. The comparison covers the commands that each state machine was given in its present life, by
 * applying them or with a snapshot. That a snapshot holds everything applied before it follows from the state
 * that others had at the same revision (RaftInvariants).
 */
import { Violation } from "../../raft/sim/mod.ts";
import type { CommandResult } from "../dcs/commands.ts";

/** The commands and snapshots that the state machine of one life of a member was given. */
interface Life {
  /** Revision of the last snapshot that it was given, at its start or later; 0: none. */
  restored: number;
  /** By the revision that it led to. */
  readonly applied: Map<number, Uint8Array>;
}

export class Acknowledged {
  /** By the revision that was acknowledged. */
  readonly #commands = new Map<number, Uint8Array>();
  readonly #lives = new Map<string, Life>();

  /** A life began, with nothing. */
  onStart(member: string): void {
    this.#lives.set(member, { restored: 0, applied: new Map() });
  }

  onApply(member: string, command: Uint8Array, result: CommandResult): void {
    if (!result.ok) return;
    this.#lives.get(member)!.applied.set(result.revision, command.slice());
  }

  onRestore(member: string, revision: number): void {
    this.#lives.set(member, { restored: revision, applied: new Map() });
  }

  /** Notes that a proposer was told that the command was applied. A refused command has changed nothing. */
  onTold(command: Uint8Array, result: CommandResult): void {
    if (result.ok) this.#commands.set(result.revision, command);
  }

  /**
   * For a cluster that goes on from the log of one member: the acknowledged commands in that log. `held`: the
   * command there, by revision; null: it is lost with the others. Throws a Violation.
   */
  inherited(held: (revision: number) => Uint8Array | "in a snapshot" | null): Acknowledged {
    const next = new Acknowledged();
    for (const [revision, command] of this.#commands) {
      const there = held(revision);
      if (there === null) continue;
      if (there !== "in a snapshot" && Buffer.compare(there, command) !== 0) {
        throw new Violation(
          "acknowledged commands are never lost",
          `another one at ${revision} of the survivor`,
        );
      }
      next.#commands.set(revision, command);
    }
    return next;
  }

  /** The last revision that a proposer was told of. */
  get told(): number {
    return Math.max(0, ...this.#commands.keys());
  }

  /** The records of these members stand on every command up to that revision. Throws a Violation. */
  check(members: readonly string[], upTo: number): void {
    for (const member of members) {
      const life = this.#lives.get(member);
      for (const [revision, command] of this.#commands) {
        if (revision > upTo || (life !== undefined && stands(life, revision, command))) continue;
        throw new Violation(
          "acknowledged commands are never lost",
          `${member} lacks the command at ${revision} (its snapshot: ${life?.restored})`,
        );
      }
    }
  }
}

function stands({ restored, applied }: Life, revision: number, command: Uint8Array): boolean {
  if (revision <= restored) return true;
  const there = applied.get(revision);
  return there !== undefined && Buffer.compare(there, command) === 0;
}
