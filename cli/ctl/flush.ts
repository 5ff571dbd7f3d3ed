/** `agent ctl flush`: takes scheduled requests back. */
import { type Command, type Context, FORCE, ROLE } from "./command.ts";
import { CtlError, UsageError } from "./errors.ts";
import { leaderFirst, selectMembers } from "./members.ts";
import { SHOWS_AGE } from "./members_table.ts";

export const flush: Command = {
  usage: "[CLUSTER_NAME] [MEMBER_NAMES]... [restart|switchover]",
  description: "Discards the scheduled restart of members, or the scheduled switchover of the cluster.",
  options: [ROLE, FORCE],
  examples: ["agent ctl flush switchover", "agent ctl flush demo node2 restart --force"],
  run,
};

async function run(context: Context): Promise<number> {
  const words = context.arguments.positionals;
  const target = words.at(-1);
  if (target === "restart") return await flushRestarts(context, words.slice(0, -1));
  if (target === "switchover") return await flushSwitchover(context, words.slice(0, -1));
  throw new UsageError("Say what to discard: restart or switchover.");
}

async function flushRestarts(context: Context, words: readonly string[]): Promise<number> {
  const { io, arguments: given, cluster: access } = context;
  const cluster = await access.look(null, SHOWS_AGE);
  const role = given.value("role") ?? "any";
  const selection = { role, force: given.flag("force"), action: "flush", confirm: true };
  let failed = false;
  for (const member of await selectMembers(context, cluster, words, selection)) {
    const reply = await access.ofMember(member, "DELETE", "/restart");
    if (reply.ok && reply.status === 404) io.out(`No scheduled restart for member ${member.name}`);
    else if (reply.ok && reply.status < 400) {
      io.out(`Success: flush scheduled restart for member ${member.name}`);
    } else {
      failed = true;
      const why = reply.ok ? `status code=${reply.status}, (${reply.text})` : reply.error;
      io.out(`Failed: flush scheduled restart for member ${member.name}, ${why}`);
    }
  }
  return failed ? 1 : 0;
}

async function flushSwitchover({ io, cluster: access }: Context, [name]: readonly string[]): Promise<number> {
  const cluster = await access.look();
  if (name !== undefined && name !== cluster.scope && !cluster.members.some((one) => one.name === name)) {
    throw new CtlError(`${name} is neither the cluster ${cluster.scope} nor a member of it`);
  }
  if (!cluster.scheduled_switchover) {
    io.out("No pending scheduled switchover");
    return 0;
  }
  const reply = await access.ofAny(leaderFirst(cluster), "DELETE", "/switchover");
  const good = reply.ok && reply.status === 200;
  io.out(`${good ? "Success" : "Failed"}: ${reply.ok ? reply.text : reply.error}`);
  return good ? 0 : 1;
}
