/**
 * Changes of the cluster's records that the REST interface asks for, on a member as on a witness: the dynamic
 * configuration, and requests for a switchover or failover.
 */
import { randomUUID } from "node:crypto";
import type { ConfigOutcome, WriteOutcome } from "../../api/port.ts";
import { checkTiming } from "../../lease/timing.ts";
import { checkWatchdogTiming } from "../../brain/watchdog.ts";
import { configFlaw, requestFlaw } from "../../dcs/command_schema.ts";
import type { CommandBody } from "../../dcs/commands.ts";
import type { LocalConfig } from "../../model/config.ts";
import { effectiveDynamic } from "../../config/dynamic.ts";
import { newProblems } from "../../config/dynamic_validate.ts";
import type { JsonObject } from "../../model/json.ts";
import { applyPatch } from "../../model/merge.ts";
import type { DcsState, FailoverRecord } from "../../model/records.ts";
import { unavailableFeatures } from "../../config/unavailable.ts";
import type { CommandOutcome, Proposer } from "../lease/proposer.ts";

export interface RecordChangesOptions {
  readonly records: () => DcsState;
  readonly config: () => LocalConfig;
  readonly proposer: Proposer;
}

export class RecordChanges {
  readonly #options: RecordChangesOptions;

  constructor(options: RecordChangesOptions) {
    this.#options = options;
  }

  patchConfig(patch: JsonObject, revision: number | null): Promise<ConfigOutcome> {
    const current = this.#options.records().config;
    if (current === null) return Promise.resolve({ kind: "missing" });
    return this.#writeConfig(applyPatch(current.value, patch), revision, current.revision);
  }

  replaceConfig(value: JsonObject, revision: number | null): Promise<ConfigOutcome> {
    return this.#writeConfig(value, revision, this.#options.records().config?.revision ?? null);
  }

  async #writeConfig(
    value: JsonObject,
    wanted: number | null,
    present: number | null,
  ): Promise<ConfigOutcome> {
    if (wanted !== null && wanted !== present) return { kind: "conflict" };
    const refused = this.#refusal(value, this.#options.records().config?.value ?? null);
    if (refused !== null) return { kind: "invalid", reason: refused };
    const outcome = await this.propose({ op: "setConfig", value, expectRevision: present });
    if (outcome.kind === "done") return { kind: "ok", config: value };
    return outcome.kind === "refused" && outcome.code === "config-changed"
      ? { kind: "conflict" }
      : { kind: "unavailable", reason: outcome.reason };
  }

  /**
   * Why a configuration cannot be taken: a broken rule of the keys, or of the timing inequalities, with the
   * numbers.
   */
  #refusal(value: JsonObject, present: JsonObject | null): string | null {
    const flaw = configFlaw(value);
    if (flaw !== null) return `the configuration has ${flaw}`;
    const errors = newProblems(value, present).filter((issue) => issue.severity === "error");
    if (errors.length > 0) return errors.map((issue) => `${issue.path}: ${issue.message}`).join("; ");
    const config = this.#options.config();
    const dynamic = effectiveDynamic(value, config).config;
    // What bootstrap.dcs has brought is said at every start; it must not keep other keys, as that of a pause,
    // from being changed.
    const known = present === null ? [] : unavailableFeatures(effectiveDynamic(present, config).config);
    const problems = [
      ...unavailableFeatures(dynamic).filter((feature) => !known.includes(feature)),
      ...checkTiming(dynamic.ttlS * 1000, config.raft.electionMaxMs),
      ...checkWatchdogTiming(config.watchdog, dynamic),
    ];
    return problems.length > 0 ? problems.join("; ") : null;
  }

  async requestFailover(request: FailoverRecord): Promise<WriteOutcome> {
    const record = { ...request, id: request.id === "" ? randomUUID() : request.id };
    const flaw = requestFlaw(record);
    if (flaw !== null) return { kind: "invalid", reason: flaw };
    const { failover } = this.#options.records();
    // One that waits for its time gives way to a later request; one that is judged or carried out does not.
    const waits = failover !== null && failover.scheduledAt !== null && !failover.accepted;
    const expectRevision = waits ? failover.revision : null;
    return writeOutcome(await this.propose({ op: "setFailover", record, expectRevision }));
  }

  async deleteFailover(revision: number): Promise<WriteOutcome> {
    const { failover } = this.#options.records();
    if (failover === null || failover.revision !== revision) return { kind: "conflict" };
    return writeOutcome(
      await this.propose({ op: "endFailover", id: failover.id, ok: false, text: "deleted by request" }),
    );
  }

  propose(body: CommandBody): Promise<CommandOutcome> {
    return new Promise((resolve) => {
      if (!this.#options.proposer.propose(body, resolve)) {
        resolve({ kind: "refused", reason: "the same request is under way" });
      }
    });
  }
}

function writeOutcome(outcome: CommandOutcome): WriteOutcome {
  if (outcome.kind === "done") return { kind: "ok" };
  return outcome.kind === "refused" ? { kind: "conflict" } : { kind: "unavailable", reason: outcome.reason };
}
