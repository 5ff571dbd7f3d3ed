/** `agent ctl restart`: restarts PostgreSQL on members, now or later. */
import type { ClusterMemberJson, Reply } from "../../src/api/client.ts";
import { type Command, type Context, FORCE, ROLE } from "./command.ts";
import { CtlError } from "./errors.ts";
import { confirmMembers, selectMembers } from "./members.ts";
import { prompt } from "./prompt.ts";
import { nextHour, parseScheduled } from "./time.ts";

export const restart: Command = {
  usage: "[CLUSTER_NAME] [MEMBER_NAMES]...",
  description: "Restarts PostgreSQL on the named members, or on all. Does not fail over.",
  options: [
    ROLE,
    { names: ["any"], help: "Restart a single member only" },
    {
      names: ["scheduled"],
      value: "TIME",
      help: "Timestamp of a scheduled restart in unambiguous format (e.g. ISO 8601)",
    },
    {
      names: ["pg-version"],
      value: "VERSION",
      help: "Restart if the PostgreSQL version is less than provided (e.g. 15.2)",
    },
    { names: ["pending"], help: "Restart if pending" },
    {
      names: ["timeout"],
      value: "SECONDS",
      help: "Return error when restarting takes longer than this. It does not fail over.",
    },
    FORCE,
  ],
  examples: [
    "agent ctl restart demo node2",
    "agent ctl restart --pending --force",
    "agent ctl restart --role replica --scheduled 2030-01-31T03:00 --force",
  ],
  run,
};

async function run(context: Context): Promise<number> {
  const { io, arguments: given, cluster: access } = context;
  const [force, pending] = [given.flag("force"), given.flag("pending")];
  const cluster = await access.look();
  const role = given.value("role") ?? "any";
  const selection = { role, force, action: "restart", confirm: false };
  let members = await selectMembers(context, cluster, given.positionals, selection);

  let when = given.value("scheduled");
  if (when === null && !force) {
    when = await prompt(io, `When should the restart take place (e.g. ${nextHour()}) `, "now");
  }
  const scheduledAt = parseScheduled(when);
  // Which members need a scheduled restart is seen when its time has come.
  if (pending && scheduledAt === null) members = members.filter((member) => member.pending_restart === true);
  if (given.flag("any")) members = members.slice(Math.floor(Math.random() * members.length)).slice(0, 1);
  await confirmMembers(context, members, { force, action: "restart", scheduledAt, pending });

  let version = given.value("pg-version") ?? "";
  if (version === "" && !force) {
    version = await prompt(io, "Restart if the PostgreSQL version is less than provided (e.g. 9.5.2) ", "");
  }
  if (version !== "" && !/^\d+(\.\d+){0,2}$/.test(version)) {
    throw new CtlError(`Invalid PostgreSQL version: ${version}. It should look like 15.2 or 9.6.24`);
  }
  if (scheduledAt !== null && cluster.pause) throw new CtlError("Can't schedule restart in the paused state");
  const timeout = given.value("timeout");
  const body = {
    ...(pending ? { restart_pending: true } : {}),
    ...(version === "" ? {} : { postgres_version: version }),
    ...(scheduledAt === null ? {} : { schedule: scheduledAt }),
    ...(timeout === null ? {} : { timeout }),
  };
  let failed = false;
  for (const member of members) {
    if (scheduledAt !== null && force && member.scheduled_restart) {
      await access.ofMember(member, "DELETE", "/restart");
    }
    const outcome = outcomeText(member, await access.ofMember(member, "POST", "/restart", { body }));
    io.out(outcome);
    failed ||= !outcome.startsWith("Success");
  }
  return failed ? 1 : 0;
}

function outcomeText({ name }: ClusterMemberJson, reply: Reply): string {
  if (!reply.ok) return `Failed: restart for member ${name}, ${reply.error}`;
  if (reply.status === 200) return `Success: restart on member ${name}`;
  if (reply.status === 202) return `Success: restart scheduled on member ${name}`;
  if (reply.status === 409) return `Failed: another restart is already scheduled on member ${name}`;
  return `Failed: restart for member ${name}, status code=${reply.status}, (${reply.text})`;
}
