/**
 * How a simulated agent reads its data directory, as PostgresContext does: what holds other data than its
 * name says gets a name of its own.
 */
import type { Clock } from "../../raft/mod.ts";
import type { PostgresMemory } from "../agent/postgres/memory.ts";
import type { BrokenRules } from "../dcs/broken_rules.ts";
import { dataIdIn } from "../model/postgres_view.ts";
import { otherData } from "../postgres/data_mark.ts";
import type { ModelServer } from "./model_server.ts";
import { foundDirectory, walEnd } from "./server_facts.ts";

const EVERY_MS = 10_000;

export interface ModelSurveyOptions {
  readonly server: ModelServer;
  readonly clock: Clock;
  readonly broken: BrokenRules;
}

export class ModelSurvey {
  readonly #options: ModelSurveyOptions;
  readonly #memory: PostgresMemory;

  constructor(options: ModelSurveyOptions, memory: PostgresMemory) {
    this.#options = options;
    this.#memory = memory;
  }

  read(): void {
    const { server, clock, broken } = this.#options;
    let found = foundDirectory(server);
    const isOther = otherData(found.directory, server.notes.known, () => false) !== null;
    if (isOther && !broken.has("sync-put-back")) {
      server.directory.nameAnew();
      found = foundDirectory(server);
    }
    this.#memory.found = found;
    this.#memory.surveyedMs = clock.now();
    if (!server.anyProcess) this.#memory.diskEnd = walEnd(server);
  }

  /** While nothing runs, an operator may put something else into the directory. */
  readWhenDue(): void {
    const { server, surveyedMs } = this.#memory;
    if (server === null && this.#options.clock.now() - (surveyedMs ?? -Infinity) >= EVERY_MS) this.read();
  }

  /** The name of the data at the last reading. */
  get dataId(): string | undefined {
    return dataIdIn(this.#memory.found.directory);
  }

  /** As PostgresRun before a start. `data`: what was decided about. */
  isReplaced(data: string | undefined): boolean {
    if (!this.#options.broken.has("sync-start-unlooked")) this.read();
    if (data === undefined || this.#memory.found.directory.kind !== "valid") return false;
    return this.dataId !== data;
  }
}
