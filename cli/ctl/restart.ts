/** `agent ctl restart`: restarts PostgreSQL on members, now or later. */
import type { ClusterMemberJson, Reply } from "../../src/api/client.ts";
import { type Command, type Context, FORCE, ROLE } from "./command.ts";
import { CtlError, UsageError } from "./errors.ts";
import { confirmMembers, selectMembers } from "./members.ts";
import { SHOWS_AGE } from "./members_table.ts";
import { prompt } from "./prompt.ts";
import { rollingRestart } from "./rolling.ts";
import type { Way } from "./rolling_plan.ts";
import { nextHour, parseScheduled } from "./time.ts";

export const restart: Command = {
  usage: "[CLUSTER_NAME] [MEMBER_NAMES]...",
  description:
    "Restarts PostgreSQL on the named members, or on all. A primary that takes longer than --timeout, or that\n" +
    "does not start within primary_start_timeout, hands over to another member.\n" +
    "--rolling restarts one member after the other, each when the one before streams again, and ends with the\n" +
    "first failure. Standbys go first; then a restarted one becomes the primary by a switchover, and the former\n" +
    "primary comes back as a standby. Where a restart lowers a parameter that standbys must have at least\n" +
    "(max_connections, max_worker_processes ...), the primary goes first, and in place.",
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
      help: "Return error and fail over if necessary when restarting takes longer than this",
    },
    { names: ["rolling"], help: "One member after the other, in the order that loses no service" },
    {
      names: ["primary"],
      value: "HOW",
      choices: ["switchover", "restart"],
      help:
        "With --rolling: how the primary takes part (switchover, restart; default switchover where possible)",
    },
    FORCE,
  ],
  examples: [
    "agent ctl restart demo node2",
    "agent ctl restart --pending --force",
    "agent ctl restart --role replica --scheduled 2030-01-31T03:00 --force",
    "agent ctl restart --rolling --pending          # after a change of parameters",
    "agent ctl restart --rolling --pg-version 15.9  # after an upgrade of the packages, where it is older",
    "agent ctl restart --rolling --primary restart --timeout 120 --force",
  ],
  run,
};

async function run(context: Context): Promise<number> {
  const { io, arguments: given, cluster: access } = context;
  const [force, pending] = [given.flag("force"), given.flag("pending")];
  const rolling = given.flag("rolling");
  checkRolling(given, rolling);
  const cluster = await access.look(null, SHOWS_AGE);
  const role = given.value("role") ?? "any";
  const selection = { role, force, action: "restart", confirm: false };
  let members = await selectMembers(context, cluster, given.positionals, selection);

  let when = given.value("scheduled");
  if (when === null && !force && !rolling) {
    when = await prompt(io, `When should the restart take place (e.g. ${nextHour()}) `, "now");
  }
  const scheduledAt = parseScheduled(when);
  // Which members need a scheduled restart is seen when its time has come.
  if (pending && scheduledAt === null) members = members.filter((member) => member.pending_restart === true);
  if (pending && scheduledAt === null && members.length === 0 && !rolling) {
    io.out("No restart is pending on these members");
    return 0;
  }
  if (given.flag("any")) members = members.slice(Math.floor(Math.random() * members.length)).slice(0, 1);
  // A rolling restart shows its order, and asks then.
  if (!rolling) await confirmMembers(context, members, { force, action: "restart", scheduledAt, pending });

  let version = given.value("pg-version") ?? "";
  if (version === "" && !force && !rolling) {
    version = await prompt(io, "Restart if the PostgreSQL version is less than provided (e.g. 9.5.2) ", "");
  }
  if (version !== "" && !/^\d+(\.\d+){0,2}$/.test(version)) {
    throw new CtlError(`Invalid PostgreSQL version: ${version}. It should look like 15.2 or 9.6.24`);
  }
  if (scheduledAt !== null && cluster.pause) throw new CtlError("Can't schedule restart in the paused state");
  const timeout = given.value("timeout");
  if (rolling) {
    const primary = given.value("primary") as Way | null;
    return await rollingRestart(context, cluster, members, {
      force,
      pending,
      timeout,
      version,
      primary,
    });
  }
  const body = {
    ...(pending ? { restart_pending: true } : {}),
    ...(version === "" ? {} : { postgres_version: version }),
    ...(scheduledAt === null ? {} : { schedule: scheduledAt }),
    ...(timeout === null ? {} : { timeout }),
  };
  let failed = false;
  for (const member of members) {
    const outcome = outcomeText(member, await ask(context, member, body, force));
    io.out(outcome);
    failed ||= !outcome.startsWith("Success");
  }
  return failed ? 1 : 0;
}

async function ask(
  { cluster }: Context,
  member: ClusterMemberJson,
  body: { readonly schedule?: string },
  force: boolean,
): Promise<Reply> {
  const post = () => cluster.ofMember(member, "POST", "/restart", { body });
  const reply = await post();
  if (!reply.ok || reply.status !== 409 || body.schedule === undefined || !force) return reply;
  // The one on record goes only for one that can take its place.
  await cluster.ofMember(member, "DELETE", "/restart");
  return await post();
}

function checkRolling(given: Context["arguments"], rolling: boolean): void {
  const other = ["any", "scheduled"].find((name) => given.flag(name));
  if (rolling && other !== undefined) throw new UsageError(`--rolling and --${other} exclude each other`);
  if (!rolling && given.value("primary") !== null) throw new UsageError("--primary needs --rolling");
}

function outcomeText({ name }: ClusterMemberJson, reply: Reply): string {
  if (!reply.ok) return `Failed: restart for member ${name}, ${reply.error}`;
  if (reply.status === 200) return `Success: restart on member ${name}`;
  if (reply.status === 202) return `Success: restart scheduled on member ${name}`;
  if (reply.status === 409) return `Failed: another restart is already scheduled on member ${name}`;
  const reason = reply.headers.get("X-Reason");
  const text = reason === null ? reply.text : `${reply.text}: ${reason}`;
  return `Failed: restart for member ${name}, status code=${reply.status}, (${text})`;
}
