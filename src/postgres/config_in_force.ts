/**
 * The configuration in force for one PostgreSQL. Its readers ask for it each time that they need it and keep
 * no part of it: a reload replaces it in one step for all of them.
 */
import type { LocalConfig, PostgresqlConfig } from "../model/config.ts";
import { effectivePostgresqlSection } from "../config/dynamic.ts";
import type { JsonObject } from "../model/json.ts";

export class ConfigInForce {
  /** Increases with each replacement. */
  revision = 0;
  #section: JsonObject = {};
  #merged: PostgresqlConfig;

  #file: LocalConfig;

  constructor(file: LocalConfig) {
    this.#file = file;
    this.#merged = this.#merge();
  }

  get local(): LocalConfig {
    return this.#file;
  }

  /** The local section with the cluster's beneath it. */
  get postgresql(): PostgresqlConfig {
    return this.#merged;
  }

  /** The local file was read again. */
  replaceLocal(file: LocalConfig): void {
    this.#file = file;
    this.#replaced();
  }

  /** `section`: `postgresql` of the cluster's configuration. */
  replaceCluster(section: JsonObject): void {
    if (JSON.stringify(section) === JSON.stringify(this.#section)) return;
    this.#section = section;
    this.#replaced();
  }

  #replaced(): void {
    this.revision++;
    this.#merged = this.#merge();
  }

  #merge(): PostgresqlConfig {
    const { postgresql } = this.#file;
    if (postgresql === null) throw new Error("a witness has no PostgreSQL");
    return effectivePostgresqlSection({ postgresql: this.#section }, postgresql);
  }
}
