/** `agent ctl reinit`: a member throws its data away and copies them anew. */
import type { ClusterMemberJson, StatusJson } from "../../src/api/client.ts";
import { type Command, type Context, FORCE } from "./command.ts";
import { selectMembers } from "./members.ts";
import { confirm } from "./prompt.ts";

const POLL_MS = 2000;

export const reinit: Command = {
  usage: "[CLUSTER_NAME] [MEMBER_NAMES]...",
  description:
    "Rebuilds the named replicas from a copy. The old data directory is moved aside where disk permits.",
  options: [
    FORCE,
    { names: ["from-leader"], help: "Get basebackup from leader" },
    { names: ["wait"], help: "Wait until reinitialization completes" },
  ],
  examples: ["agent ctl reinit demo node3", "agent ctl reinit demo node3 --force --wait"],
  run,
};

/** A member that was told to begin, and when its PostgreSQL had been started before; null: it was not running. */
interface Started {
  readonly member: ClusterMemberJson;
  readonly serverStart: string | null;
}

async function run(context: Context): Promise<number> {
  const { arguments: given, cluster: access } = context;
  const force = given.flag("force");
  const cluster = await access.look();
  const selection = { role: "replica", force, action: "reinitialize", confirm: true };
  const members = await selectMembers(context, cluster, given.positionals, selection);
  const started: Started[] = [];
  for (const member of members) {
    const serverStart = (await serverOf(context, member))?.start ?? null;
    if (await begin(context, member, force)) started.push({ member, serverStart });
  }
  if (given.flag("wait")) await waitFor(context, started);
  return started.length === members.length ? 0 : 1;
}

/** null while its agent or its PostgreSQL does not answer. */
async function serverOf({ cluster }: Context, member: ClusterMemberJson): Promise<{ start: string } | null> {
  const reply = await cluster.ofMember(member, "GET", "/patroni", { timeoutMs: POLL_MS });
  if (!reply.ok || reply.status !== 200) return null;
  const { state, postmaster_start_time: start } = JSON.parse(reply.text) as StatusJson;
  return state === "running" && start !== undefined ? { start } : null;
}

async function begin({ io, arguments: given, cluster }: Context, member: ClusterMemberJson, force: boolean) {
  let body = { force, from_leader: given.flag("from-leader") };
  for (;;) {
    const reply = await cluster.ofMember(member, "POST", "/reinitialize", { body });
    if (reply.ok && reply.status < 400) {
      io.out(`Success: reinitialize for member ${member.name}`);
      return true;
    }
    const why = reply.ok ? `status code=${reply.status}, (${reply.text})` : reply.error;
    io.out(`Failed: reinitialize for member ${member.name}, ${why}`);
    const busy = reply.ok && reply.text.endsWith(" already in progress");
    if (!busy || body.force || !await confirm(io, "Do you want to cancel it and reinitialize anyway?")) {
      return false;
    }
    body = { ...body, force: true };
  }
}

/** Done is a member whose PostgreSQL answers and is another one than before. */
async function waitFor(context: Context, started: readonly Started[]): Promise<void> {
  const { io } = context;
  let waiting = started;
  let said = -1;
  while (waiting.length > 0) {
    if (waiting.length !== said) {
      io.out(
        `Waiting for reinitialize to complete on: ${waiting.map(({ member }) => member.name).join(", ")}`,
      );
      said = waiting.length;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    const still: Started[] = [];
    for (const one of waiting) {
      const server = await serverOf(context, one.member);
      if (server === null || server.start === one.serverStart) still.push(one);
      else io.out(`Reinitialize is completed on: ${one.member.name}`);
    }
    waiting = still;
  }
}
