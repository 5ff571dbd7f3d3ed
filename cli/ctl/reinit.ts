/** `agent ctl reinit`: a member throws its data away and copies them anew. */
import { type ClusterMemberJson, STATUS } from "../../src/api/client.ts";
import type { ReinitializeStatus } from "../../src/model/reinitialize_status.ts";
import { type Command, type Context, FORCE } from "./command.ts";
import { selectMembers } from "./members.ts";
import { SHOWS_AGE } from "./members_table.ts";
import { confirm } from "./prompt.ts";
import { answerJson } from "./answer_json.ts";

const POLL_MS = 2000;
/** How far a copy has come is said with every so many polls. */
const PROGRESS_POLLS = 5;

export const reinit: Command = {
  usage: "[CLUSTER_NAME] [MEMBER_NAMES]...",
  description:
    "Rebuilds the named replicas from a copy of a replica that has the tag clonefrom, or else of the leader.\n" +
    "The old data directory is moved aside where disk permits.\n" +
    "Success says that a member has begun; --wait waits until its PostgreSQL runs on the copy.",
  options: [
    FORCE,
    {
      names: ["from-leader"],
      help: "Get basebackup from leader, although a replica has the tag clonefrom",
    },
    { names: ["wait"], help: "Wait until reinitialization completes" },
  ],
  examples: ["agent ctl reinit demo node3", "agent ctl reinit demo node3 --force --wait"],
  run,
};

/**
 * A member that was told to begin, and when its PostgreSQL had been started before; null: it was not running.
 */
interface Started {
  readonly member: ClusterMemberJson;
  readonly serverStart: string | null;
}

async function run(context: Context): Promise<number> {
  const { arguments: given, cluster: access } = context;
  const force = given.flag("force");
  const cluster = await access.look(null, SHOWS_AGE);
  const selection = { role: "replica", force, action: "reinitialize", confirm: true };
  const members = await selectMembers(context, cluster, given.positionals, selection);
  const started: Started[] = [];
  for (const member of members) {
    const serverStart = (await look(context, member))?.start ?? null;
    if (await begin(context, member, force)) started.push({ member, serverStart });
  }
  const wait = given.flag("wait");
  if (!wait && started.length > 0) {
    context.io.err(
      "Under way, not done: the member stops PostgreSQL, moves its data aside, and copies another member's. " +
        "--wait waits for its end, and says what keeps it from that",
    );
  }
  const failed = wait ? await waitFor(context, started) : 0;
  return started.length === members.length && failed === 0 ? 0 : 1;
}

interface Seen {
  /** When its PostgreSQL was started; null while that does not run. */
  readonly start: string | null;
  /** Missing: its agent was restarted since, or has an earlier release. */
  readonly reinitialize: ReinitializeStatus | null;
}

/** null while its agent does not answer. */
async function look({ cluster }: Context, member: ClusterMemberJson): Promise<Seen | null> {
  const reply = await cluster.ofMember(member, "GET", "/patroni", { timeoutMs: POLL_MS });
  if (!reply.ok || reply.status !== 200) return null;
  const { state, postmaster_start_time: start, agent } = answerJson(reply.text, STATUS);
  return {
    start: state === "running" ? start ?? null : null,
    reinitialize: agent?.reinitialize ?? null,
  };
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

/**
 * Returns how many have failed. What keeps a member from its end is said when it is new; how far its copy has
 * come, on standard error.
 */
async function waitFor(context: Context, started: readonly Started[]): Promise<number> {
  const { io } = context;
  const told = new Map<string, string>();
  let waiting = started;
  let said = -1;
  let failed = 0;
  for (let polls = 0; waiting.length > 0; polls++) {
    if (waiting.length !== said) {
      io.out(
        `Waiting for reinitialize to complete on: ${waiting.map(({ member }) => member.name).join(", ")}`,
      );
      said = waiting.length;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    const still: Started[] = [];
    for (const one of waiting) {
      const { name } = one.member;
      const seen = await look(context, one.member);
      const detail = seen?.reinitialize?.detail ?? "";
      if (isDone(seen, one)) io.out(`Reinitialize is completed on: ${name}`);
      else if (seen?.reinitialize?.state === "failed") {
        io.out(`Failed: reinitialize for member ${name}, ${detail}`);
        failed++;
      } else {
        if (/failed/.test(detail) && told.get(name) !== detail) io.out(`${name}: ${detail}`);
        if (detail.startsWith("copying from") && polls % PROGRESS_POLLS === 0) io.err(`${name}: ${detail}`);
        told.set(name, detail);
        still.push(one);
      }
    }
    waiting = still;
  }
  return failed;
}

/** True by the member's own word; without one, when its PostgreSQL answers and is another one than before. */
function isDone(seen: Seen | null, { serverStart }: Started): boolean {
  if (seen === null) return false;
  if (seen.reinitialize !== null) return seen.reinitialize.state === "done";
  return seen.start !== null && seen.start !== serverStart;
}
