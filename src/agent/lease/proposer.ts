/**
 * Proposes commands of this member. Stamps them, and keeps at most one of a kind under way: a decision that
 * is taken again before its command is applied does not propose it twice.
 */
import type { Clock, ProposeOutcome, Raft } from "../../../raft/mod.ts";
import {
  type CommandBody,
  type CommandResult,
  commandVersion,
  encodeCommand,
  type RefusalCode,
} from "../../dcs/commands.ts";
import type { Log } from "../../lib/log.ts";
import { pauseAfter } from "../../model/pause_after.ts";

export type CommandOutcome =
  | { readonly kind: "done"; readonly revision: number }
  | { readonly kind: "refused"; readonly reason: string; readonly code?: RefusalCode }
  | { readonly kind: "unknown"; readonly reason: string };

const KEPT = 20;
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 2000;

export class Proposer {
  /** The commands under way, with what waits for the end of each. */
  readonly #underWay = new Map<string, ((outcome: CommandOutcome) => void)[]>();
  /**
   * The last failures of commands that are proposed again and again, by key, with the time of the next try.
   * `times`: so often in a row for that reason.
   */
  readonly #failed = new Map<
    string,
    { readonly failures: number; readonly dueMs: number; readonly reason: string; readonly times: number }
  >();

  readonly #name: string;
  readonly #raft: Raft;
  readonly #wallMs: () => number;
  readonly #clock: Pick<Clock, "now">;
  readonly #log: Pick<Log, "info" | "warning">;

  constructor(
    name: string,
    raft: Raft,
    wallMs: () => number,
    clock: Pick<Clock, "now">,
    log: Pick<Log, "info" | "warning">,
  ) {
    this.#name = name;
    this.#raft = raft;
    this.#wallMs = wallMs;
    this.#clock = clock;
    this.#log = log;
  }

  /** False when the same command is under way already; `done` is not called then. */
  propose(body: CommandBody, done: (outcome: CommandOutcome) => void, onlyInTerm?: number): boolean {
    const key = JSON.stringify(body);
    if (this.#underWay.has(key)) return false;
    const waiting: ((outcome: CommandOutcome) => void)[] = [];
    this.#underWay.set(key, waiting);
    const command = encodeCommand({ ...body, by: this.#name, at: new Date(this.#wallMs()).toISOString() });
    const finish = (outcome: ProposeOutcome) => {
      this.#underWay.delete(key);
      const translated = translate(outcome);
      done(translated);
      for (const waits of waiting) waits(translated);
    };
    this.#raft.propose(command, finish, { onlyInTerm, version: commandVersion(body) });
    return true;
  }

  /**
   * The same, but `done` is always called. A command that is under way already is waited for. If it was not
   * applied then, it is proposed anew: the one before may have been bound to a term of raft.
   */
  request(body: CommandBody, done: (outcome: CommandOutcome) => void): void {
    const waiting = this.#underWay.get(JSON.stringify(body));
    if (waiting === undefined) this.propose(body, done);
    else waiting.push((outcome) => outcome.kind === "done" ? done(outcome) : this.request(body, done));
  }

  /**
   * Proposes a command that is owed as long as the records lack it, and so comes with each look. After a
   * refusal there is a pause, which grows with each refusal in a row. False: under way, or too soon; `done`
   * is not called then.
   */
  repeat(body: CommandBody, done: (outcome: CommandOutcome) => void): boolean {
    const key = JSON.stringify(body);
    const before = this.#failed.get(key);
    if (before !== undefined && this.#clock.now() < before.dueMs) return false;
    return this.propose(body, (outcome) => {
      if (outcome.kind === "done") this.#failed.delete(key);
      else this.#note(body.op, key, outcome.reason);
      done(outcome);
    });
  }

  #note(op: string, key: string, reason: string): void {
    const before = this.#failed.get(key);
    const failures = (before?.failures ?? 0) + 1;
    const text = `${op} was not accepted: ${reason}. It is proposed again as long as it is owed`;
    const again = before?.reason === reason ? before.times + 1 : 1;
    // Once is no fault: another member was faster, and the next look sees what it did.
    if (again === 1) this.#log.info("proposal", text);
    else if (again === 2) this.#log.warning("proposal", text);
    this.#failed.delete(key);
    const dueMs = this.#clock.now() + pauseAfter(failures, FIRST_PAUSE_MS, MAX_PAUSE_MS);
    this.#failed.set(key, { failures, dueMs, reason, times: again });
    // Owed commands change with epochs and times. The oldest one is not owed any more.
    if (this.#failed.size > KEPT) this.#failed.delete(this.#failed.keys().next().value!);
  }
}

function translate(outcome: ProposeOutcome): CommandOutcome {
  if (outcome.kind === "rejected") return { kind: "refused", reason: outcome.reason };
  if (outcome.kind === "unknown") return outcome;
  const result = outcome.result as CommandResult | undefined;
  if (result === undefined) return { kind: "unknown", reason: "it was applied, and its result is not known" };
  if (result.ok) return { kind: "done", revision: result.revision };
  return { kind: "refused", reason: result.reason, code: result.code };
}
