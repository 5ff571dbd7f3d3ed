/** The common part of switchover and failover: questions, the request, and its outcome. */
import { type ClusterJson, type Reply, WHY } from "../../src/api/client.ts";
import { isNofailover } from "../../src/model/nofailover.ts";
import { okJson } from "./answer_json.ts";
import type { Context } from "./command.ts";
import { CtlError } from "./errors.ts";
import { forecast } from "./forecast.ts";
import { leaderFirst, leaderOf, onlyClusterName } from "./members.ts";
import { printMembers, SHOWS_AGE } from "./members_table.ts";
import { confirm, prompt } from "./prompt.ts";
import { nextHour, parseScheduled, timestamp } from "./time.ts";

interface Plan {
  readonly leader: string | null;
  readonly candidate: string | null;
  readonly scheduledAt: string | null;
}

export async function changeLeader(context: Context, action: "switchover" | "failover"): Promise<number> {
  const { io, cluster: access } = context;
  const name = onlyClusterName(context);
  const cluster = await access.look(name, SHOWS_AGE);
  io.out("Current cluster topology");
  printMembers(io, cluster, { format: "pretty", extended: false });

  const plan = await ask(context, cluster, action);
  if (context.arguments.flag("dry-run")) return await foretell(context, cluster, action, plan);
  const body = bodyOf(action, plan);
  const reply = await access.ofAny(leaderFirst(cluster), "POST", `/${action}`, { body });
  if (!reply.ok) throw new CtlError(`the outcome of the ${action} is not known: ${reply.error}`);
  const refusal = refusalOf(reply);
  if (refusal !== null) {
    io.out(`${capital(action)} failed, details: ${reply.status}, ${refusal}`);
    return 1;
  }
  io.out(`${timestamp(5)} ${reply.text}`);
  printMembers(io, await access.look(name, SHOWS_AGE), { format: "pretty", extended: false });
  return 0;
}

function bodyOf(action: "switchover" | "failover", { leader, candidate, scheduledAt }: Plan) {
  return {
    candidate,
    ...(action === "switchover" ? { leader } : {}),
    ...(scheduledAt === null ? {} : { scheduled_at: scheduledAt }),
  };
}

/** In the member's words; null: the request was taken. */
function refusalOf({ status, text, headers }: Reply & { readonly ok: true }): string | null {
  if (status === 200 || status === 202) return null;
  const reason = headers.get("X-Reason");
  return reason === null ? text : `${text}: ${reason}`;
}

/** What a member answers to a request that it refuses as such; all else says nothing of the cluster. */
const VERDICTS: readonly number[] = [200, 202, 400, 412, 422, 503];

/** Changes nothing. Returns 0 when it would be possible, else 1. */
async function foretell(
  { io, cluster: access }: Context,
  cluster: ClusterJson,
  action: "switchover" | "failover",
  plan: Plan,
): Promise<number> {
  // The path is one of its own: what does not know it cannot take it for a request.
  const body = bodyOf(action, plan);
  const reply = await access.ofAny(leaderFirst(cluster), "POST", `/agent/${action}/check`, { body });
  if (!reply.ok) throw new CtlError(`whether the ${action} is possible is not known: ${reply.error}`);
  if (!VERDICTS.includes(reply.status)) {
    throw new CtlError(
      `whether the ${action} is possible is not known: a member answers ${reply.status}, ${reply.text}`,
    );
  }
  const { candidate, scheduledAt } = plan;
  const asked = { action, leader: leaderOf(cluster), candidate, scheduledAt, refusal: refusalOf(reply) };
  const { isPossible, lines } = forecast(asked, cluster, okJson(await access.get("/agent/why"), WHY));
  for (const line of lines) io.out(line);
  io.out("Nothing was changed (--dry-run).");
  return isPossible ? 0 : 1;
}

async function ask(context: Context, cluster: ClusterJson, action: "switchover" | "failover"): Promise<Plan> {
  const { io, arguments: given } = context;
  const force = isUnasked(given);
  const current = leaderOf(cluster);
  const leader = action === "switchover" ? await askLeader(context, cluster) : null;
  const names = cluster.members
    .filter((member) => member !== current && !isNofailover(member.tags ?? {}))
    .map((member) => member.name).sort();
  if (names.length === 0) throw new CtlError(`No candidates found to ${action} to`);

  let candidate = given.value("candidate");
  if (candidate === null && !force) {
    const list = names.map((name) => `'${name}'`).join(", ");
    candidate = await prompt(io, `Candidate [${list}]`, "");
  }
  if (candidate === "") candidate = null;
  checkCandidate(cluster, names, candidate, action);
  if (action === "failover" && !force && isAsynchronous(cluster, candidate)) {
    const sure = await confirm(
      io,
      `Are you sure you want to failover to the asynchronous node ${candidate}?`,
    );
    if (!sure) throw new CtlError("Aborting failover");
  }
  const scheduledAt = action === "switchover" ? await askTime(context, cluster) : null;
  if (!force) await askSure(context, cluster, action, scheduledAt);
  return { leader, candidate, scheduledAt };
}

async function askLeader({ io, arguments: given }: Context, cluster: ClusterJson): Promise<string> {
  const current = leaderOf(cluster);
  if (current === null) throw new CtlError("This cluster has no leader");
  let leader = given.value("leader");
  if (leader === null && !isUnasked(given)) {
    const title = current.role === "standby_leader" ? "Standby Leader" : "Primary";
    leader = await prompt(io, title, current.name);
  }
  leader ??= current.name;
  if (leader !== current.name) {
    throw new CtlError(`Member ${leader} is not the leader of cluster ${cluster.scope}`);
  }
  return leader;
}

function checkCandidate(
  cluster: ClusterJson,
  names: readonly string[],
  candidate: string | null,
  action: string,
): void {
  if (candidate === null) {
    if (action === "failover") throw new CtlError("Failover could be performed only to a specific candidate");
    return;
  }
  if (names.includes(candidate)) return;
  if (candidate === leaderOf(cluster)?.name) {
    throw new CtlError(`Member ${candidate} is already the leader of cluster ${cluster.scope}`);
  }
  throw new CtlError(
    `Member ${candidate} does not exist in cluster ${cluster.scope} or is tagged as nofailover`,
  );
}

/** There are synchronous members, and the candidate is not one of them. */
function isAsynchronous(cluster: ClusterJson, candidate: string | null): boolean {
  const sync = cluster.members.filter(({ role }) => role === "sync_standby" || role === "quorum_standby");
  return sync.length > 0 && !sync.some(({ name }) => name === candidate);
}

async function askTime({ io, arguments: given }: Context, cluster: ClusterJson): Promise<string | null> {
  let when = given.value("scheduled");
  if (when === null && !isUnasked(given)) {
    when = await prompt(io, `When should the switchover take place (e.g. ${nextHour()} ) `, "now");
  }
  const scheduledAt = parseScheduled(when);
  if (scheduledAt !== null && cluster.pause) {
    throw new CtlError("Can't schedule switchover in the paused state");
  }
  return scheduledAt;
}

async function askSure({ io }: Context, cluster: ClusterJson, action: string, scheduledAt: string | null) {
  const leader = leaderOf(cluster);
  const demoting = leader === null ? "" : `, demoting current leader ${leader.name}`;
  const question = scheduledAt === null
    ? `Are you sure you want to ${action} cluster ${cluster.scope}${demoting}?`
    : `Are you sure you want to schedule switchover of cluster ${cluster.scope} at ${scheduledAt}${demoting}?`;
  if (await confirm(io, question)) return;
  throw new CtlError(scheduledAt === null ? `Aborting ${action}` : `Aborting scheduled ${action}`);
}

/** No question: what is not given has its default. */
function isUnasked(given: Context["arguments"]): boolean {
  return given.flag("force") || given.flag("dry-run");
}

function capital(word: string): string {
  return `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`;
}
