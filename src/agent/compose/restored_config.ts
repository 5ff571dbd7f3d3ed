/**
 * The dynamic configuration that a cluster begins with, and that a member goes by until it knows the records:
 * the one that is kept in its data directory, else `bootstrap.dcs`.
 */
import { restoreConfig, type Restored } from "../../config/dynamic_restore.ts";
import type { Log } from "../../lib/log.ts";
import type { LocalConfig } from "../../model/config.ts";
import { JSON_BOUNDS } from "../../model/bounded_json.ts";
import type { JsonObject } from "../../model/json.ts";
import { readRecordedConfig, RECORDED_CONFIG } from "../../postgres/recorded_config.ts";
import { configRefusals } from "../rest/config_judge.ts";

export class RestoredConfig {
  readonly #config: () => LocalConfig;
  readonly #log: Log;
  /** The text that was judged last, with what came of it. */
  #judged: { readonly text: string; readonly restored: Restored | null } = { text: "", restored: null };
  #said: Restored | null = null;
  #saidUnreadable = "";

  constructor(config: () => LocalConfig, log: Log) {
    this.#config = config;
    this.#log = log;
  }

  /** For the records of a cluster that has none: said in the log, once, with what is left out. */
  forNewCluster(): JsonObject {
    const restored = this.#restored();
    if (restored === null) return this.#config().bootstrap.dcs;
    if (this.#said !== restored) {
      this.#said = restored;
      const file = this.#file;
      this.#log.info(
        "config",
        `the cluster begins with the configuration in ${file}; bootstrap.dcs is not read`,
      );
      for (const key of restored.dropped) this.#log.warning("config", `${file}: left out: ${key}`);
    }
    return restored.value;
  }

  /** While the records are not known. */
  untilKnown(): JsonObject {
    return this.#restored()?.value ?? this.#config().bootstrap.dcs;
  }

  get #file(): string {
    return `${this.#config().postgresql?.dataDir}/${RECORDED_CONFIG}`;
  }

  #restored(): Restored | null {
    const { postgresql } = this.#config();
    if (postgresql === null) return null;
    const found = readRecordedConfig(postgresql.dataDir);
    if (found.kind === "absent") return null;
    if (found.kind === "unreadable") return this.#unreadable(found.problem);
    if (found.text === this.#judged.text) return this.#judged.restored;
    const refusals = (value: JsonObject) => configRefusals(value, null, this.#config());
    const restored = restoreConfig(found.text, JSON_BOUNDS, refusals);
    this.#judged = { text: found.text, restored: "problem" in restored ? null : restored };
    return "problem" in restored ? this.#unreadable(restored.problem) : restored;
  }

  #unreadable(problem: string): null {
    if (problem !== this.#saidUnreadable) {
      this.#log.warning("config", `${this.#file} cannot be used, and bootstrap.dcs is: ${problem}`);
    }
    this.#saidUnreadable = problem;
    return null;
  }
}
