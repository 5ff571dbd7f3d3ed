/**
 * Changes of the cluster's records that the REST interface asks for, on a member as on a witness: the dynamic
 * configuration, and requests for a switchover or failover.
 */
import { randomUUID } from "node:crypto";
import type { ConfigOutcome, WriteOutcome } from "../../api/port.ts";
import { settlePause } from "../../model/pause_end.ts";
import { requestFlaw } from "../../dcs/command_schema.ts";
import type { CommandBody } from "../../dcs/commands.ts";
import type { LocalConfig } from "../../model/config.ts";
import type { ConfigCheck } from "../../model/config_check.ts";
import { withOffset } from "../../model/iso_time.ts";
import type { JsonObject } from "../../model/json.ts";
import { applyPatch } from "../../model/merge.ts";
import {
  type DcsState,
  type FailoverRecord,
  type ScheduledRestart,
  scheduledRestartOf,
} from "../../model/records.ts";
import type { CommandOutcome, Proposer } from "../lease/proposer.ts";
import { configRefusals, configWarnings, type HeardData, membersCheck } from "./config_judge.ts";

/** Requests that come at the same moment replace each other. */
const REPLACE_TRIES = 5;

export interface RecordChangesOptions {
  readonly records: () => DcsState;
  readonly config: () => LocalConfig;
  readonly proposer: Pick<Proposer, "request">;
  readonly wallMs: () => number;
  /** What the members that are heard said last. */
  readonly heard: () => readonly HeardData[];
  /** Asks the members what they find in a configuration. */
  readonly check: (value: JsonObject, present: JsonObject | null) => Promise<ConfigCheck>;
}

export class RecordChanges {
  readonly #options: RecordChangesOptions;

  constructor(options: RecordChangesOptions) {
    this.#options = options;
  }

  patchConfig(patch: JsonObject, revision: number | null, force: boolean): Promise<ConfigOutcome> {
    const current = this.#options.records().config;
    if (current === null) return Promise.resolve({ kind: "missing" });
    return this.#writeConfig(applyPatch(current.value, patch), revision, current, force);
  }

  replaceConfig(value: JsonObject, revision: number | null, force: boolean): Promise<ConfigOutcome> {
    return this.#writeConfig(value, revision, this.#options.records().config, force);
  }

  async #writeConfig(
    asked: JsonObject,
    wanted: number | null,
    present: DcsState["config"],
    force: boolean,
  ): Promise<ConfigOutcome> {
    const { config, check, wallMs } = this.#options;
    const expectRevision = present?.revision ?? null;
    if (wanted !== null && wanted !== expectRevision) return { kind: "conflict" };
    const before = present?.value ?? null;
    const settled = settlePause(asked, before, (seconds) => isoTime(wallMs() + 1000 * seconds));
    if ("problem" in settled) return { kind: "invalid", reason: settled.problem };
    const { value } = settled;
    const refused = configRefusals(value, before, config());
    if (refused.length > 0) return { kind: "invalid", reason: refused.join("; ") };
    const found = [
      membersCheck(value, before, config(), this.#options.records(), this.#options.heard()),
      await check(value, before),
    ];
    const refusals = found.flatMap((one) => one.refusals);
    if (refusals.length > 0 && !force) return { kind: "hopeless", reason: refusals.join("; ") };
    const warnings = [
      ...configWarnings(value, before),
      ...refusals,
      ...found.flatMap((one) => one.warnings),
    ];
    const outcome = await this.propose({ op: "setConfig", value, expectRevision });
    if (outcome.kind === "done") return { kind: "ok", config: value, warnings };
    return outcome.kind === "refused" && outcome.code === "config-changed"
      ? { kind: "conflict" }
      : { kind: "unavailable", reason: outcome.reason };
  }

  async requestFailover(request: FailoverRecord): Promise<WriteOutcome> {
    const record = { ...request, id: request.id === "" ? randomUUID() : request.id };
    const flaw = requestFlaw(record);
    if (flaw !== null) return { kind: "invalid", reason: flaw };
    // The last request counts, as in Patroni. It takes the place of the one that was seen here; where that has
    // changed meanwhile, of the next one.
    for (let tries = 1;; tries++) {
      const expectRevision = this.#options.records().failover?.revision ?? null;
      const outcome = await this.propose({ op: "setFailover", record, expectRevision });
      const isLate = outcome.kind === "refused" && outcome.code === "request-present";
      if (!isLate || tries === REPLACE_TRIES) return writeOutcome(outcome);
    }
  }

  async deleteFailover(revision: number): Promise<WriteOutcome> {
    const { failover } = this.#options.records();
    if (failover === null || failover.revision !== revision) return { kind: "conflict" };
    return writeOutcome(
      await this.propose({ op: "endFailover", id: failover.id, ok: false, text: "deleted by request" }),
    );
  }

  /** A scheduled restart is not replaced: its asker takes it back first. */
  async scheduleRestart(member: string, restart: ScheduledRestart): Promise<WriteOutcome> {
    const id = randomUUID();
    return writeOutcome(await this.propose({ op: "setRestart", member, id, restart, expectId: null }));
  }

  /** `isKnown`: the records are not older than the start of this agent, so that "none" can be said. */
  async cancelRestart(
    member: string,
    isKnown: boolean,
  ): Promise<WriteOutcome | { readonly kind: "missing" }> {
    const scheduled = scheduledRestartOf(this.#options.records(), member);
    if (scheduled === null && !isKnown) {
      return { kind: "unavailable", reason: "this member does not know the records of the cluster yet" };
    }
    if (scheduled === null) return { kind: "missing" };
    const { id } = scheduled;
    return writeOutcome(await this.propose({ op: "endRestart", member, id, text: "deleted by request" }));
  }

  propose(body: CommandBody): Promise<CommandOutcome> {
    return new Promise((resolve) => this.#options.proposer.request(body, resolve));
  }
}

/** To the second. */
function isoTime(wallMs: number): string {
  return withOffset(new Date(wallMs).toISOString().replace(/\.\d+/, ""));
}

function writeOutcome(outcome: CommandOutcome): WriteOutcome {
  if (outcome.kind === "done") return { kind: "ok" };
  // Without a code it has not reached the records: there is no leader, or not all members know the command.
  const isConflict = outcome.kind === "refused" && outcome.code !== undefined;
  return isConflict ? { kind: "conflict" } : { kind: "unavailable", reason: outcome.reason };
}
