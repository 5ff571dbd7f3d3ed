/** Composes the parts of one PostgreSQL's executor: its programs, files, connections and passwords. */
import type { Clock } from "../../../raft/mod.ts";
import type { GuardPort } from "../../guard/port.ts";
import type { Log } from "../../lib/log.ts";
import type { ServerCertificateFiles } from "../../model/certificate.ts";
import type { DynamicConfig, LocalConfig } from "../../model/config.ts";
import { BootstrapTries } from "../../postgres/bootstrap_tries.ts";
import { Callbacks } from "../../postgres/callbacks.ts";
import { Hooks } from "../../postgres/hooks.ts";
import { ConfigFiles } from "../../postgres/config_files.ts";
import { ConfigInForce } from "../../postgres/config_in_force.ts";
import { join } from "../../postgres/disk.ts";
import { DataMark } from "../../postgres/data_mark.ts";
import { LocalServer } from "../../postgres/local_server.ts";
import { PgpassFile } from "../../postgres/pgpass.ts";
import { findPrograms, withoutWaldump } from "../../postgres/programs.ts";
import { UnfinishedMarker } from "../../postgres/unfinished.ts";
import { PostgresContext } from "./context.ts";
import type { PostgresMemory } from "./memory.ts";

export interface ContextOptions {
  readonly config: LocalConfig;
  readonly dynamic: DynamicConfig;
  readonly guard: GuardPort;
  readonly clock: Clock;
  readonly log: Log;
  readonly memory: PostgresMemory;
  /** The incarnation of the agent. */
  readonly incarnation: number;
  /** Something in memory is new. */
  readonly changed: () => void;
  /** Certificates that a running server says it uses. @default nobody is told */
  readonly certificatesUsed?: (files: ServerCertificateFiles) => void;
}

/** @throws ProgramsError when PostgreSQL is not installed where the configuration says. */
export function openContext(options: ContextOptions): PostgresContext {
  const { dynamic, guard, clock, log, memory, changed } = options;
  const config = new ConfigInForce(options.config);
  config.replaceCluster(dynamic.postgresql.section);
  const { postgresql, local } = config;
  const programs = findPrograms(postgresql);
  const lacks = withoutWaldump(programs);
  if (lacks !== null) log.warning("postgresql", lacks);
  const ownDir = join(local.raft.dataDir, "run");
  const [hooks, mark] = [new Hooks(log), new DataMark(ownDir)];
  const context: PostgresContext = new PostgresContext({
    get local() {
      return config.local;
    },
    get postgresql() {
      return config.postgresql;
    },
    config,
    programs,
    files: new ConfigFiles({
      config,
      programs,
      walBudgetMib: () => options.memory.walBudgetMib,
      syncNames: () => memory.standbys.text(),
      othersSync: (names) => memory.standbys.setByOthers(names),
      warn: (text) => log.warning("postgresql", text),
    }),
    server: new LocalServer({
      config,
      major: programs.major,
      socketDirectories: () => context.inForce.parameters.unix_socket_directories ?? null,
      now: () => clock.now(),
      info: (text) => log.info("postgresql", text),
    }),
    guard,
    clock,
    log,
    marker: new UnfinishedMarker(postgresql.dataDir, ownDir, mark, options.incarnation),
    tries: new BootstrapTries(ownDir),
    mark,
    pgpass: new PgpassFile(
      postgresql.pgpass,
      () => [config.postgresql.replication, config.postgresql.rewind],
    ),
    hooks,
    callbacks: new Callbacks({
      commands: () => config.postgresql.callbacks,
      timeoutS: () => config.postgresql.callbackTimeoutS,
      hooks,
      scope: local.scope,
      log,
    }),
    ownDir,
    memory,
    changed,
    certificatesUsed: options.certificatesUsed ?? (() => {}),
  }, dynamic);
  memory.bootstrapDueMs = clock.now() + context.parts.tries.pauseMs(Date.now());
  return context;
}
