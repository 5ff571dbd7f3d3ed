/**
 * `agent recover --force-new-cluster FILE`: the one way on when a majority of the voters is lost for good.
 * Shows what this member holds and what can be found out about the others, asks for the scope to be typed,
 * and founds a new cluster with this member as its only voter. Deletes nothing, and never touches PostgreSQL.
 * The agent must be stopped.
 */
import { randomBytes } from "node:crypto";
import { statSync } from "node:fs";
import { recoverCluster, replayLog, StorageError, SurvivingLog } from "../raft/mod.ts";
import { type ClientTls, loadClientTls, tlsPathsOf } from "../src/api/client.ts";
import { COMMAND_VERSION } from "../src/dcs/commands.ts";
import { longestWaitMs } from "../src/lease/renewal.ts";
import { recoveredState } from "../src/dcs/recovered.ts";
import { DcsStateMachine } from "../src/dcs/state_machine.ts";
import type { Environment } from "../src/config/layers.ts";
import type { LocalConfig } from "../src/model/config.ts";
import type { DcsState } from "../src/model/records.ts";
import { loadConfig } from "./config_source.ts";
import {
  type Answers,
  askMembers,
  hasMore,
  logPosition,
  type Position,
  surveyDirectory,
  surveyPostgres,
} from "./recover_survey.ts";

export interface RecoverOptions {
  readonly environment: Environment;
  readonly forceNewCluster: boolean;
  /** Directories of other members that can be read here, to compare. */
  readonly also: readonly string[];
  /** The scope, given beforehand; null: it is asked for. */
  readonly confirm: string | null;
  /** null: the input has ended. */
  readonly ask: (question: string) => Promise<string | null>;
  readonly write: (line: string) => void;
  /** Why nothing was done. */
  readonly writeError: (line: string) => void;
}

/** Returns the exit code: 0 done, 1 refused or not confirmed, 2 a wrong command line. */
export async function recoverCommand(path: string | null, options: RecoverOptions): Promise<number> {
  const fail = (text: string, code = 1) => (options.writeError(`Error: ${text}`), code);
  if (!options.forceNewCluster) {
    return fail("say --force-new-cluster: this founds a new cluster from what this one member holds", 2);
  }
  const { environment } = options;
  const asMember = loadConfig({ path, environment });
  // The file of a witness need not say that it is one.
  const config = asMember.config ?? loadConfig({ path, environment, witness: true }).config;
  const { issues } = asMember;
  if (config === null) {
    const [first] = issues.filter((issue) => issue.severity === "error");
    const why = [first?.path, first?.message].filter((text) => text).join(": ");
    return fail(`${path ?? "PATRONI_CONFIGURATION"} cannot be used: ${why}`);
  }
  if (config.raft.selfAddr === null) return fail("this member has no vote: recover a voter");
  const owner = statSync(config.raft.dataDir, { throwIfNoEntry: false })?.uid;
  if (owner !== undefined && owner !== process.geteuid?.()) {
    return fail(
      `run this as the user who owns ${config.raft.dataDir} (uid ${owner}): the agent must own the new files`,
    );
  }
  let log: SurvivingLog;
  try {
    log = SurvivingLog.open(config.raft.dataDir);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    if (error.code !== "locked") return fail(error.message);
    return fail(
      `the agent of this member is running (${error.message}). Stop it first; if it still has a leader, or the ` +
        "others can be brought back, nothing needs to be recovered",
    );
  }
  try {
    return await recoverFrom(log, config, config.raft.selfAddr, options);
  } finally {
    log.close();
  }
}

async function recoverFrom(
  log: SurvivingLog,
  config: LocalConfig,
  selfAddr: string,
  options: RecoverOptions,
): Promise<number> {
  const { write, writeError } = options;
  const dcs = new DcsStateMachine();
  replayLog(log.stored, {
    apply: (command, index, _, version) => dcs.apply(command, index, version),
    snapshot: () => dcs.snapshot(),
    restore: (data) => dcs.restore(data),
  }, COMMAND_VERSION);
  for (const line of describe(log, dcs.state, config)) write(line);
  const own = { raft: logPosition(log), postgres: null as Position | null };
  if (config.postgresql === null) write("  PostgreSQL: none, this is a witness");
  else {
    const { line, position } = await surveyPostgres(config.postgresql.dataDir, config);
    own.postgres = position;
    write(`  PostgreSQL: ${line}`);
  }
  const ahead: string[] = [];
  for (const path of options.also) {
    const found = await surveyDirectory(path, config);
    if (typeof found === "string") {
      writeError(`Error: --also: ${found}`);
      return 1;
    }
    for (const line of found.lines) write(line);
    if (hasMore(found.raft, own.raft)) ahead.push(`${path} holds more of the raft log than this member.`);
    if (hasMore(found.postgres, own.postgres)) {
      ahead.push(`${path} holds more of PostgreSQL's data than this member.`);
    }
  }
  write("Asking the other members ...");
  let tls: ClientTls | null;
  try {
    tls = loadClientTls(tlsPathsOf(config));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    writeError(
      `Error: the other members cannot be asked whether a majority lives: ${why}. Put the certificates of ctl or ` +
        "restapi right, or take these settings out of the configuration when the others do not use them",
    );
    return 1;
  }
  const answers = await askMembers(dcs.state, config.name, tls);
  for (const line of answers.lines) write(line);
  const lives = whyNotLost(answers);
  if (lives !== null) {
    writeError(`Error: ${lives}`);
    return 1;
  }
  write("");
  for (const line of ahead) write(`Warning: ${line} Recover there instead, unless it cannot be used.`);
  for (const line of warnings(dcs.state, config)) write(line);
  const typed = options.confirm ?? (await options.ask(`Type the scope (${config.scope}) to go on:`))?.trim();
  if (typed !== config.scope) {
    writeError(`Nothing was changed: "${typed ?? ""}" is not the scope.`);
    return 1;
  }
  const at = new Date().toISOString();
  const recovered = recoveredState(dcs.state, { survivor: config.name, at });
  dcs.restore(new TextEncoder().encode(JSON.stringify(recovered)));
  const { clusterId, nodeId, snapshot } = recoverCluster(log.stored, dcs, {
    oldClusterId: log.identity.clusterId,
    addr: selfAddr,
    name: config.name,
    seed: randomBytes(16).toString("hex"),
  });
  const stamp = at.replace(/[-:]|\.\d+/g, "");
  const kept = log.replace({ clusterId, nodeId }, snapshot, stamp);
  write(`Recovered: cluster epoch ${recovered.clusterEpoch}, ${config.name} is its only voter.`);
  write(`The old log was kept: ${kept.oldLog}, ${kept.oldIdentity}.`);
  write(
    `Now start the agent here. It waits ${
      longestWaitMs(recovered) / 1000
    } s before anyone becomes primary. ` +
      "It refuses the other members with their old raft directories: move those (raft.data_dir) aside before you start " +
      "them, and they join it.",
  );
  return 0;
}

/** Why nothing may be founded here, as others answer; null: it may. */
function whyNotLost({ leads, primaries }: Answers): string | null {
  if (leads !== null) {
    return `${leads.by} says that the raft group has a leader, ${leads.leader}: a majority lives, and nothing needs to be ` +
      "recovered. Start the agent of this member";
  }
  if (primaries.length === 0) return null;
  return `${
    primaries.join(", ")
  } runs as a primary, and goes on without a majority (maintenance or failsafe mode): the ` +
    "cluster that is founded here would have a second one. If it is to go on, recover there; else switch its host off, or " +
    "stop the agent and PostgreSQL there, and try again";
}

function describe(
  { stored, lastIndex, identity }: SurvivingLog,
  dcs: DcsState,
  config: LocalConfig,
): string[] {
  const { lock } = dcs;
  const { term, commit } = stored.hardState;
  const held = lock.holder === null
    ? `free (last: ${lock.lastHolder ?? "nobody"})`
    : `held by ${lock.holder}`;
  return [
    `Member ${config.name} of cluster ${config.scope}, ${config.raft.dataDir}:`,
    `  raft: cluster id ${identity.clusterId}, term ${term}, last index ${lastIndex}, commit ${commit}`,
    `  lock: ${held}, epoch ${lock.epoch}; members: ${Object.keys(dcs.members).sort().join(", ")}`,
  ];
}

function warnings({ lock }: DcsState, { name }: LocalConfig): string[] {
  const old = lock.holder ?? lock.lastHolder;
  const lines = [
    "This founds a new cluster from what this member holds. What only the other members hold is lost to it: where",
    "one of them can be brought back, do that instead. Compare the positions above with theirs first.",
  ];
  if (old !== null && old !== name) {
    lines.push(`The old primary, ${old}, must be switched off, and every other member too.`);
  } else lines.push("Every other member must be switched off.");
  return lines;
}
