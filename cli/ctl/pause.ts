/** `agent ctl pause` and `resume`: whether the cluster manages itself. */
import type { ClusterJson } from "../../src/api/client.ts";
import type { Command, Context } from "./command.ts";
import { CtlError } from "./errors.ts";
import { loopWaitSeconds } from "./loop_wait.ts";
import { leaderFirst, onlyClusterName } from "./members.ts";

const POLL_MS = 500;

export const pause: Command = {
  usage: "[CLUSTER_NAME]",
  description:
    "Stops automatic failover: PostgreSQL is neither started nor stopped until `agent ctl resume`.",
  options: [{ names: ["wait"], help: "Wait until pause is applied on all nodes" }],
  examples: ["agent ctl pause --wait"],
  run: (context) => toggle(context, true),
};

export const resume: Command = {
  usage: "[CLUSTER_NAME]",
  description: "Ends the maintenance mode that `agent ctl pause` began.",
  options: [{ names: ["wait"], help: "Wait until pause is cleared on all nodes" }],
  examples: ["agent ctl resume --wait"],
  run: (context) => toggle(context, false),
};

async function toggle(context: Context, paused: boolean): Promise<number> {
  const { io, arguments: given, cluster: access } = context;
  const cluster = await access.look(onlyClusterName(context));
  if (Boolean(cluster.pause) === paused) {
    throw new CtlError(`Cluster is ${paused ? "already" : "not"} paused`);
  }
  const body = { pause: paused ? true : null };
  const reply = await access.ofAny(leaderFirst(cluster), "PATCH", "/config", { body });
  if (!reply.ok) throw new CtlError(`Can not find accessible cluster member: ${reply.error}`);
  if (reply.status !== 200) {
    io.out(
      `Failed: ${
        paused ? "pause" : "resume"
      } cluster management status code=${reply.status}, (${reply.text})`,
    );
    return 1;
  }
  if (given.flag("wait") && !await isApplied(context, cluster, paused)) return 1;
  io.out(`Success: cluster management is ${paused ? "paused" : "resumed"}`);
  const needed = paused ? undefined : cluster.agent?.operator_needed;
  if (needed !== undefined) io.out(`Operator needed: ${needed}`);
  return 0;
}

async function isApplied(
  { io, cluster: access }: Context,
  cluster: ClusterJson,
  paused: boolean,
): Promise<boolean> {
  io.out(`'${paused ? "pause" : "resume"}' request sent, waiting until it is recognized by all nodes`);
  const seconds = await loopWaitSeconds(access);
  const untilMs = performance.now() + (seconds + 1) * 1000;
  let waiting = cluster.members;
  for (;;) {
    const states = await Promise.all(waiting.map(async (member) => {
      const reply = await access.ofMember(member, "GET", "/patroni", { timeoutMs: 1000 });
      return { member, done: reply.ok && /"pause": ?true/.test(reply.text) === paused };
    }));
    waiting = states.filter(({ done }) => !done).map(({ member }) => member);
    if (waiting.length === 0) return true;
    if (performance.now() > untilMs) break;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const names = waiting.map(({ name }) => name).join(", ");
  io.out(`${names} members didn't recognized pause state after ${seconds} seconds`);
  return false;
}
