/** `agent ctl promote-cluster` and `demote-cluster`: whether the cluster follows another one. */
import { type ClusterJson, parseAnswer, readWarnings, STATUS } from "../../src/api/client.ts";
import type { JsonObject } from "../../src/model/json.ts";
import { shownWord } from "./arguments.ts";
import { type Command, type Context, FORCE } from "./command.ts";
import { CtlError, UsageError } from "./errors.ts";
import { leaderOf, onlyClusterName } from "./members.ts";
import { printMembers, SHOWS_AGE } from "./members_table.ts";
import { confirm } from "./prompt.ts";
import { timestamp } from "./time.ts";

const POLL_MS = 500;
/** A primary may have much to write before it stops, and pg_rewind much to copy. */
const LIMIT_MS = 30 * 60_000;

export const promoteCluster: Command = {
  usage: "[CLUSTER_NAME]",
  description: "Makes a standby cluster one with a primary of its own: the standby leader is promoted.\n" +
    "Demote the other cluster first: nothing here knows whether that one still takes writes.",
  options: [FORCE],
  examples: ["agent ctl promote-cluster --force"],
  run: (context) => changeRole(context, null),
};

export const demoteCluster: Command = {
  usage: "[CLUSTER_NAME]",
  description:
    "Makes the cluster a standby cluster: its primary stops, and follows the server that is given.",
  options: [
    { names: ["host"], value: "HOST", help: "Address of the remote node" },
    { names: ["port"], value: "PORT", help: "Port of the remote node" },
    {
      names: ["restore-command"],
      value: "COMMAND",
      help: "Command to restore WAL records from the remote primary",
    },
    {
      names: ["primary-slot-name"],
      value: "SLOT",
      help: "Name of the slot on the remote node to use for replication",
    },
    FORCE,
  ],
  examples: [
    "agent ctl demote-cluster --host 10.0.2.1 --primary-slot-name site_a",
    "agent ctl demote-cluster --restore-command 'fetch %f %p' --force",
  ],
  run: (context) => changeRole(context, sourceOf(context)),
};

function sourceOf({ arguments: given }: Context): JsonObject {
  const port = given.value("port");
  if (port !== null && !/^\d+$/.test(port)) {
    throw new UsageError(`Invalid value for '--port': ${shownWord(port)} is not a valid integer.`);
  }
  const source = {
    host: given.value("host"),
    port: port === null ? null : Number(port),
    restore_command: given.value("restore-command"),
    primary_slot_name: given.value("primary-slot-name"),
  };
  if (source.host === null && source.port === null && source.restore_command === null) {
    throw new CtlError("At least --host, --port or --restore-command should be specified");
  }
  return Object.fromEntries(Object.entries(source).filter(([, value]) => value !== null));
}

/** `source`: what the cluster is to follow; null: nothing. */
async function changeRole(context: Context, source: JsonObject | null): Promise<number> {
  const { io, arguments: given, cluster: access } = context;
  const name = onlyClusterName(context);
  const verb = source === null ? "promot" : "demot";
  const cluster = await access.look(name, SHOWS_AGE);
  const leader = leaderOf(cluster);
  if (leader === null) throw new CtlError(`Cluster has no leader, ${verb}ion is not possible`);
  if (leader.role === (source === null ? "leader" : "standby_leader")) {
    throw new CtlError("Cluster is already in the required state");
  }
  if (source !== null && cluster.pause) {
    throw new CtlError("Cluster is paused, demotion is not possible: PostgreSQL is not stopped in pause");
  }
  io.out("Current cluster topology");
  printMembers(io, cluster, { format: "pretty", extended: false });
  if (!given.flag("force")) {
    const sure = await confirm(io, `Are you sure you want to ${verb}e ${cluster.scope} cluster?`);
    if (!sure) throw new CtlError(`Aborted cluster ${verb}ion`);
  }
  const body = { standby_cluster: source };
  const reply = await access.ofMember(leader, "PATCH", "/config", { body });
  if (!reply.ok) throw new CtlError(`Failed to ${verb}e ${cluster.scope} cluster: ${reply.error}`);
  if (reply.status !== 200) {
    throw new CtlError(
      `Failed to ${verb}e ${cluster.scope} cluster: /config PATCH status code=${reply.status}, (${reply.text})`,
    );
  }
  for (const text of readWarnings(reply.headers)) io.err(`Warning: ${text}`);
  const changed = await isDone(context, name, source === null ? "primary" : "standby_leader");
  if (!changed) {
    io.out(`${cluster.scope} cluster is not ${verb}ed after ${LIMIT_MS / 60_000} min; it goes on`);
    return 1;
  }
  io.out(`${timestamp(0)} cluster is successfully ${verb}ed`);
  printMembers(io, await access.look(name, SHOWS_AGE), { format: "pretty", extended: false });
  return 0;
}

/** Waits until the leader has that role, and tells what it waits for. */
async function isDone(context: Context, name: string | null, role: string): Promise<boolean> {
  const { io, cluster: access } = context;
  const untilMs = performance.now() + LIMIT_MS;
  let said = "";
  while (performance.now() < untilMs) {
    const found = await leaderState(context, await access.look(name));
    if (found?.role === role && found.state === "running") return true;
    const text = `cluster is unlocked: ${found === null ? "True" : "False"}, leader role: ${
      found?.role ?? "None"
    }, leader state: ${found?.state ?? "None"}`;
    if (text !== said) io.out(`${timestamp(0)} ${text}`);
    said = text;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return false;
}

async function leaderState({ cluster: access }: Context, cluster: ClusterJson) {
  const leader = leaderOf(cluster);
  if (leader === null) return null;
  const reply = await access.ofMember(leader, "GET", "/patroni", { timeoutMs: 2000 });
  const status = reply.ok ? parseAnswer(reply.text, STATUS) : null;
  return status?.ok ? status.value : { role: null, state: null };
}
