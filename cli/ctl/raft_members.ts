/** `agent ctl raft add, remove, replace, snapshot`: who belongs to the group of voters. */
import type { RaftJson, RaftMemberJson } from "../../src/api/client.ts";
import type { Context } from "./command.ts";
import { dialProblem } from "../../src/model/host_port.ts";
import { CtlError, UsageError } from "./errors.ts";
import { confirm } from "./prompt.ts";
import { asLeaderSees, raftStatus, summary } from "./raft_view.ts";

export async function addMember(context: Context, address: string, name: string | null): Promise<number> {
  const { io, arguments: given } = context;
  refuseUnusable(address);
  const votes = !given.flag("no-vote");
  const before = await lookUp(context);
  const text = await ask(context, before, "/agent/raft/add", { address, name: name ?? undefined, votes });
  io.out(`Success: ${text}`);
  io.out(
    `Now start the agent there, with raft.self_addr ${address} and a member in raft.partner_addrs.` +
      (votes ? " It votes when it has caught up." : ""),
  );
  return 0;
}

export async function removeMember(context: Context, name: string): Promise<number> {
  const { io, arguments: given } = context;
  const before = await lookUp(context);
  const member = memberOf(before, name);
  if (!given.flag("force")) {
    io.out(`${member.name} (${member.addr}) leaves for good: its agent and its PostgreSQL stop.`);
    io.out(afterwards(before, member));
    if (!await confirm(io, `Are you sure you want to remove ${member.name}?`)) {
      throw new CtlError("Aborting removal");
    }
  }
  const text = await ask(context, before, "/agent/raft/remove", { name }, member);
  io.out(`Success: ${text}`);
  return await tellMargin(context);
}

export async function replaceMember(context: Context, name: string, address: string): Promise<number> {
  const { io, arguments: given } = context;
  refuseUnusable(address);
  const before = await lookUp(context);
  const member = memberOf(before, name);
  const question =
    `Are you sure you want to replace ${member.name} (${member.addr}) by the node at ${address}?`;
  if (!given.flag("force") && !await confirm(io, question)) throw new CtlError("Aborting replacement");
  const text = await ask(context, before, "/agent/raft/replace", { name, address }, member);
  io.out(`Success: ${text}`);
  io.out(`Now start the agent there, with raft.self_addr ${address} and a member in raft.partner_addrs.`);
  return 0;
}

export async function takeSnapshot({ io, cluster: access }: Context): Promise<number> {
  await access.look();
  const here = await raftStatus(access);
  const own = here.members.find(({ name }) => name === here.name);
  if (!own?.api_url) throw new CtlError("The member that answers is not known to the cluster yet");
  const reply = await access.ofMember({ api_url: own.api_url }, "POST", "/agent/raft/snapshot");
  if (!reply.ok) throw new CtlError(reply.error);
  if (reply.status !== 200) throw new CtlError(reply.text);
  io.out(`Success: ${reply.text} on ${own.name}`);
  return 0;
}

/**
 * Refuses an address that no member can use. It would stay in the log for good, so the first place that sees
 * it refuses it.
 */
function refuseUnusable(address: string): void {
  const problem = dialProblem(address);
  if (problem !== null) throw new UsageError(problem);
}

async function lookUp({ cluster: access }: Context): Promise<RaftJson> {
  await access.look();
  return await asLeaderSees(await raftStatus(access), access);
}

/** Finds a member as agents do (src/agent/rest/raft_changes.ts): by name, address or raft id. */
function memberOf({ members }: RaftJson, name: string): RaftMemberJson {
  const named = members.filter((member) => member.name === name || member.addr === name);
  const found = named.length > 0 ? named : members.filter(({ id }) => String(id) === name);
  const [member] = found;
  if (member && found.length === 1) return member;
  if (member) {
    const ids = found.map(({ id, addr, voter }) => `${id} (${addr}, ${voter ? "voter" : "learner"})`).join(
      ", ",
    );
    throw new CtlError(`More than one member is named ${name}: say which by its raft id, ${ids}`);
  }
  const known = members.map(({ name, addr }) => `${name} (${addr})`).join(", ");
  throw new CtlError(`No member is named ${name}: there are ${known}`);
}

/** The effect of a removal on the majority. */
function afterwards({ members }: RaftJson, leaving: RaftMemberJson): string {
  const before = members.filter(({ voter }) => voter).length;
  const after = members.filter(({ voter, id }) => voter && id !== leaving.id).length;
  const bears = Math.max(0, Math.ceil(after / 2) - 1);
  return `${before} voters become ${after}, of which ${bears} may fail.`;
}

/** Sends the change to the raft leader, or to a member other than the affected one. */
async function ask(
  { cluster: access }: Context,
  { leader, members }: RaftJson,
  path: string,
  body: Readonly<Record<string, string | boolean | undefined>>,
  about: RaftMemberJson | null = null,
): Promise<string> {
  const rank = ({ name, id }: RaftMemberJson) => id === about?.id ? 2 : name === leader ? 0 : 1;
  const asked = [...members].sort((a, b) => rank(a) - rank(b)).flatMap(({ api_url: url }) =>
    url === null ? [] : [{ api_url: url }]
  );
  const reply = await access.ofAny(asked, "POST", path, { body });
  if (!reply.ok) throw new CtlError(reply.error);
  if (reply.status !== 200) throw new CtlError(reply.text);
  return reply.text;
}

async function tellMargin(context: Context): Promise<number> {
  context.io.out(summary(await lookUp(context)));
  return 0;
}
