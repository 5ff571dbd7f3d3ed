/** `agent ctl raft status` and `raft transfer`: the group of voters that keeps the cluster's records. */
import { jsonText, type RaftJson, type RaftMemberJson } from "../../src/api/client.ts";
import { type Command, type Context, FORMAT } from "./command.ts";
import { CtlError, UsageError } from "./errors.ts";
import { leaderFirst } from "./members.ts";
import { type Format, printListing, type Row } from "./output.ts";
import { yamlText } from "./yaml_text.ts";

export const raft: Command = {
  usage: "status | transfer NAME | dump",
  maxPositionals: 2,
  description: "status: who leads, who votes, how far each is, and how many voters may still fail.\n" +
    "transfer: hands the leadership of the raft group to a member. PostgreSQL's primary does not change by it.\n" +
    "dump: the raft log of this host, read from its files (raft.data_dir of -c FILE, or --dir); secrets as ***.",
  options: [
    FORMAT,
    { names: ["dir"], value: "DIRECTORY", help: "dump: the raft directory to read" },
  ],
  examples: [
    "agent ctl raft status",
    "agent ctl raft status --format json",
    "agent ctl raft transfer node2",
    "agent ctl -c /etc/agent/node1.yml raft dump",
  ],
  async run(context) {
    const [verb, name] = context.arguments.positionals;
    if (verb === "status" && name === undefined) return await status(context);
    if (verb === "transfer" && name !== undefined) return await transfer(context, name);
    if (verb === "dump" && name === undefined) return await dump(context);
    throw new UsageError("Say what to do: agent ctl raft status, raft transfer NAME, or raft dump.");
  },
};

async function dump({ io, arguments: given, cluster }: Context): Promise<number> {
  const directory = given.value("dir") ?? cluster.raftDirectory;
  if (directory === null) {
    throw new UsageError("Say which log: -c FILE with raft.data_dir, or --dir DIRECTORY.");
  }
  const { dumpRaft } = await import("./raft_dump.ts");
  return dumpRaft(io, directory, given.value("format") ?? "pretty");
}

async function status({ io, arguments: given, cluster: access }: Context): Promise<number> {
  const { scope } = await access.look();
  const reply = await access.get("/agent/raft");
  if (reply.status !== 200) throw new CtlError(`the member answered ${reply.status}: ${reply.text}`);
  const here = JSON.parse(reply.text) as RaftJson;
  const found = await asLeaderSees(here, access);
  const format = (given.value("format") ?? "pretty") as Format;
  if (format === "json" || format === "yaml" || format === "yml") {
    const members = found.members.map(({ api_url: _, ...member }) => member);
    const value = { ...found, members };
    io.out(format === "json" ? jsonText(value) : yamlText(value).trimEnd());
    return 0;
  }
  const columns = ["Name", "Address", "Role", "Match", "Last contact"];
  const rows = found.members.map((member) => memberRow(found, member));
  printListing(io, { columns, rows, right: ["Match", "Last contact"] }, format, ` Raft: ${scope} `);
  if (format === "pretty") io.out(` ${summary(found)}`);
  return 0;
}

function summary({ leader, term, commit, can_lose: canLose }: RaftJson): string {
  const margin = canLose === null ? "unknown how many may fail" : `${canLose} more may fail`;
  return `Leader: ${leader ?? "unknown"}, term ${term}, commit ${commit}, ${margin}`;
}

/** Only the leader knows how far the others are and how many may fail. */
async function asLeaderSees(here: RaftJson, access: Context["cluster"]): Promise<RaftJson> {
  const leader = here.members.find(({ name }) => name === here.leader);
  if (here.can_lose !== null || !leader?.api_url) return here;
  const reply = await access.ofMember({ api_url: leader.api_url }, "GET", "/agent/raft", { timeoutMs: 2000 });
  return reply.ok && reply.status === 200 ? JSON.parse(reply.text) as RaftJson : here;
}

function memberRow({ leader }: RaftJson, member: RaftMemberJson): Row {
  const role = member.name === leader ? "leader" : member.voter ? "voter" : "learner";
  return {
    Name: member.name,
    Address: member.addr,
    Role: member.witness ? `${role}, witness` : role,
    Match: member.match ?? "",
    "Last contact": member.last_contact_ms === null ? "never" : `${member.last_contact_ms} ms`,
  };
}

async function transfer({ io, cluster: access }: Context, name: string): Promise<number> {
  const cluster = await access.look();
  const reply = await access.get("/agent/raft");
  const here = reply.status === 200 ? JSON.parse(reply.text) as RaftJson : null;
  const raftLeader = here?.members.find((member) => member.name === here.leader);
  const first = raftLeader?.api_url ? [{ api_url: raftLeader.api_url }] : [];
  const outcome = await access.ofAny([...first, ...leaderFirst(cluster)], "POST", "/agent/raft/transfer", {
    body: { name },
  });
  if (!outcome.ok) throw new CtlError(outcome.error);
  if (outcome.status !== 200) throw new CtlError(outcome.text);
  io.out(`Success: ${outcome.text}`);
  return 0;
}
