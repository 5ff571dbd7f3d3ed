/**
 * `agent ctl remove`: the records of a cluster that is over go, so that another one of that name can begin.
 * Patroni's are in the store; here each member has them in its raft directory, and running members would go
 * on with theirs: this works on a host whose agent is stopped, and for that host.
 */
import type { ClusterJson } from "../../src/api/client.ts";
import { NobodyAnswers } from "./access.ts";
import { type Command, type Context, FORMAT } from "./command.ts";
import { CtlError, UsageError } from "./errors.ts";
import { printMembers } from "./members_table.ts";
import type { Format } from "./output.ts";
import { prompt } from "./prompt.ts";
import { clusterOf } from "./records_view.ts";

const AWARE = "Yes I am aware";

export const remove: Command = {
  usage: "CLUSTER_NAME",
  maxPositionals: 1,
  description:
    "Removes the records of a cluster from this host: its raft directory (raft.data_dir of -c FILE) is set aside, and\n" +
    "kept. PostgreSQL's data is not touched. The agents must be stopped, on every host, and the command is given on\n" +
    "each of them. Asks for the name of the cluster, for `" + AWARE +
    "`, and for the leader when the records still have\none.\n" +
    "For one member that leaves a cluster that lives: agent ctl raft remove.",
  options: [FORMAT],
  examples: ["agent ctl -c /etc/agent.yml remove demo"],
  run,
};

async function run(context: Context): Promise<number> {
  const { io, arguments: given, cluster: access } = context;
  const [name] = given.positionals;
  if (name === undefined) throw new UsageError("Missing argument 'CLUSTER_NAME'.");
  if (access.scope !== null && access.scope !== name) {
    throw new CtlError(`The configuration is that of the cluster ${access.scope}, not of ${name}`);
  }
  const living = await whoAnswers(context, name);
  if (living !== null) throw new CtlError(stillRuns(living));
  if (access.raftDirectory === null) {
    throw new CtlError(
      "The records of a cluster are in the raft directory of each member: run this on their hosts, with -c FILE",
    );
  }
  const { lockRecords } = await import("./local_records_lock.ts");
  const records = lockRecords(access.raftDirectory);
  try {
    const { lock } = records.state;
    const format = (given.value("format") ?? "pretty") as Format;
    const stale = `the raft log of this host, ${access.raftDirectory}`;
    printMembers(io, clusterOf(records.state, name), { format, extended: false, stale });
    await confirmRemoval(context, name, lock.holder);
    const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
    const aside = records.setAside(stamp);
    io.out(`Success: the records of ${name} are removed from this host, and kept in ${aside}`);
    io.out("Do the same on the hosts of its other members: where the records are left, the cluster goes on.");
    return 0;
  } finally {
    records.close();
  }
}

async function whoAnswers({ cluster: access }: Context, name: string): Promise<ClusterJson | null> {
  try {
    return await access.look(name);
  } catch (error) {
    if (error instanceof NobodyAnswers) return null;
    throw error;
  }
}

function stillRuns({ scope, members }: ClusterJson): string {
  const names = members.map(({ name }) => name).join(", ");
  return `Members of ${scope} run (${names}), and go on with their records. Stop the agents of all hosts first; after ` +
    "`agent ctl pause` PostgreSQL runs on without them";
}

/** In patronictl's words. */
async function confirmRemoval({ io }: Context, name: string, leader: string | null): Promise<void> {
  if (await prompt(io, "Please confirm the cluster name to remove", null) !== name) {
    throw new CtlError("Cluster names specified do not match");
  }
  const question = `You are about to remove all information in DCS for ${name}, please type: "${AWARE}"`;
  if (await prompt(io, question, null) !== AWARE) {
    throw new CtlError(`You did not exactly type "${AWARE}"`);
  }
  if (leader === null) return;
  const healthy = "This cluster currently is healthy. Please specify the leader name to continue";
  if (await prompt(io, healthy, null) !== leader) {
    throw new CtlError("You did not specify the current leader of the cluster");
  }
}
