/**
 * `agent ctl raft`: the group of voters that keeps the cluster's records. Changes of it are in
 * raft_members.ts.
 */
import { jsonText, type RaftJson, type RaftMemberJson } from "../../src/api/client.ts";
import { type Command, type Context, FORCE, FORMAT } from "./command.ts";
import { CtlError, UsageError } from "./errors.ts";
import { leaderFirst } from "./members.ts";
import { type Format, printListing, type Row } from "./output.ts";
import { addMember, removeMember, replaceMember, takeSnapshot } from "./raft_members.ts";
import { asLeaderSees, raftStatus, summary } from "./raft_view.ts";
import { yamlText } from "./yaml_text.ts";

export const raft: Command = {
  usage: "status | transfer NAME | add ADDRESS [NAME] | remove NAME | replace NAME ADDRESS | snapshot | dump",
  maxPositionals: 3,
  description: "status: who leads, who votes, how far each is, and how many voters may still fail.\n" +
    "transfer: hands the leadership of the raft group to a member. PostgreSQL's primary does not change by it.\n" +
    "add: keeps a place for a node that is started later. Not needed for one that names a member in\n" +
    "raft.partner_addrs: it joins by itself.\n" +
    "remove: a member leaves for good, and its agent and PostgreSQL stop. The primary cannot be removed.\n" +
    "replace: adds the node at ADDRESS, and removes NAME when that one has a vote.\n" +
    "snapshot: makes the member that answers (-d) shorten its log now.\n" +
    "dump: the raft log of this host, read from its files (raft.data_dir of -c FILE, or --dir); secrets as ***.\n" +
    "Members are named as in the status, or by their address or id there: two that share a name by the id.",
  options: [
    { ...FORMAT, of: ["status", "dump"] },
    FORCE,
    { names: ["no-vote"], of: ["add"], help: "add: the node gets no vote" },
    { names: ["dir"], value: "DIRECTORY", of: ["dump"], help: "dump: the raft directory to read" },
  ],
  examples: [
    "agent ctl raft status",
    "agent ctl raft status --format json",
    "agent ctl raft transfer node2",
    "agent ctl raft remove node3 --force",
    "agent ctl raft replace node3 10.0.0.4:2222",
    "agent ctl -c /etc/agent.yml raft dump",
  ],
  async run(context) {
    const [verb, name, more] = context.arguments.positionals;
    if (verb === "status" && name === undefined) return await status(context);
    if (verb === "transfer" && name !== undefined && more === undefined) return await transfer(context, name);
    if (verb === "add" && name !== undefined) return await addMember(context, name, more ?? null);
    if (verb === "remove" && name !== undefined && more === undefined) {
      return await removeMember(context, name);
    }
    if (verb === "replace" && name !== undefined && more !== undefined) {
      return await replaceMember(context, name, more);
    }
    if (verb === "snapshot" && name === undefined) return await takeSnapshot(context);
    if (verb === "dump" && name === undefined) return await dump(context);
    throw new UsageError(`Say what to do: agent ctl raft ${raft.usage}`);
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
  const found = await asLeaderSees(await raftStatus(access), access);
  const format = (given.value("format") ?? "pretty") as Format;
  if (format === "json" || format === "yaml" || format === "yml") {
    const members = found.members.map(({ api_url: _, ...member }) => member);
    const value = { ...found, members };
    io.out(format === "json" ? jsonText(value) : yamlText(value).trimEnd());
    return 0;
  }
  const columns = ["Name", "Address", "Role", "Match", "Last contact", "Id"];
  const rows = found.members.map((member) => memberRow(found, member));
  printListing(io, { columns, rows, right: ["Match", "Last contact", "Id"] }, format, ` Raft: ${scope} `);
  if (format === "pretty") io.out(` ${summary(found)}`);
  return 0;
}

function memberRow({ leader }: RaftJson, member: RaftMemberJson): Row {
  const role = member.name === leader ? "leader" : member.voter ? "voter" : "learner";
  return {
    Name: member.name,
    Address: member.addr,
    Role: member.witness ? `${role}, witness` : role,
    Match: member.match ?? "",
    "Last contact": member.last_contact_ms === null ? "never" : `${member.last_contact_ms} ms`,
    Id: member.id,
  };
}

async function transfer({ io, cluster: access }: Context, name: string): Promise<number> {
  const cluster = await access.look();
  const here = await raftStatus(access);
  const raftLeader = here.members.find((member) => member.name === here.leader);
  const first = raftLeader?.api_url ? [{ api_url: raftLeader.api_url }] : [];
  const outcome = await access.ofAny([...first, ...leaderFirst(cluster)], "POST", "/agent/raft/transfer", {
    body: { name },
  });
  if (!outcome.ok) throw new CtlError(outcome.error);
  if (outcome.status !== 200) throw new CtlError(outcome.text);
  io.out(`Success: ${outcome.text}`);
  return 0;
}
