/**
 * Proposes commands of this member: stamps them, keeps at most one of a kind under way, so that a decision that is
 * taken again before its command is applied does not propose it twice.
 */
import type { ProposeOutcome, Raft } from "../../raft/mod.ts";
import { type CommandBody, type CommandResult, commandVersion, encodeCommand } from "../dcs/commands.ts";

export type CommandOutcome =
  | { readonly kind: "done"; readonly revision: number }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "unknown"; readonly reason: string };

export class Proposer {
  #underWay = new Set<string>();

  constructor(
    private readonly name: string,
    private readonly raft: Raft,
    private readonly wallMs: () => number,
  ) {}

  /** False when the same command is under way already; `done` is not called then. */
  propose(body: CommandBody, done: (outcome: CommandOutcome) => void, onlyInTerm?: number): boolean {
    const key = JSON.stringify(body);
    if (this.#underWay.has(key)) return false;
    this.#underWay.add(key);
    const command = encodeCommand({ ...body, by: this.name, at: new Date(this.wallMs()).toISOString() });
    const finish = (outcome: ProposeOutcome) => {
      this.#underWay.delete(key);
      done(translate(outcome));
    };
    this.raft.propose(command, finish, { onlyInTerm, version: commandVersion(body) });
    return true;
  }
}

function translate(outcome: ProposeOutcome): CommandOutcome {
  if (outcome.kind === "rejected") return { kind: "refused", reason: outcome.reason };
  if (outcome.kind === "unknown") return outcome;
  const result = outcome.result as CommandResult;
  return result.ok ? { kind: "done", revision: result.revision } : { kind: "refused", reason: result.reason };
}
