/** A look at a model server that answers, as production's queries and files give it. */
import type { PostgresMemory } from "../agent/postgres/memory.ts";
import { isSameSetting } from "../sync/setting.ts";
import { dataIdIn } from "../model/postgres_view.ts";
import type { BrokenRules } from "../dcs/broken_rules.ts";
import type { ModelServer } from "./model_server.ts";
import { serverStatus, timelineHistory, walEnd } from "./server_facts.ts";

const MOVED_AWAY = { why: "the data directory was moved away", removed: false };

/** false: the server does not go by its files yet, and is to be looked at again soon. */
export function look(
  server: ModelServer,
  memory: PostgresMemory,
  nowMs: number,
  broken: BrokenRules,
): boolean {
  memory.seen(serverStatus(server), nowMs);
  memory.timelineHistory = timelineHistory(server);
  memory.displaced = server.misplaced ? MOVED_AWAY : null;
  noteData(server, memory);
  const own = memory.server;
  if (own === null) return true;
  // The end of WAL that a server had which ran before this life of the agent is read once.
  if (own.floor === null && server.inRecovery) own.floor = walEnd(server);
  const { sync, directory } = server;
  const position = directory.position!;
  // Its first transaction has waited for the standbys that it is to wait for.
  if (server.canAcknowledge && (!sync.waits || position.branch.acks > 0)) own.wroteUnder = server.epoch;
  directory.syncSetting = memory.sync;
  if (!isSameSetting(sync.setting, memory.sync)) sync.reload(memory.sync);
  own.flushed = sync.flushed;
  own.syncLoaded = true;
  own.commitsWait = sync.isSettled && sync.waits;
  if (!sync.isSettled) return false;
  if (server.inRecovery) return true;
  if (!sync.areSendersFresh && !broken.has("sync-stale-sender")) return false;
  own.settledLsn ??= position.lsn;
  return true;
}

/** As PostgresMonitor. */
function noteData(server: ModelServer, { found: { directory }, displaced }: PostgresMemory): void {
  const dataId = dataIdIn(directory);
  if (dataId === undefined || displaced !== null) return;
  server.notes.note(dataId, server.directory.checkpointLsn, !server.inRecovery);
}
