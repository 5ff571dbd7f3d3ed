/** `agent ctl pause` and `resume`: whether the cluster manages itself. */
import type { ClusterJson } from "../../src/api/client.ts";
import type { Command, Context } from "./command.ts";
import { CtlError } from "./errors.ts";
import { loopWaitSeconds } from "./loop_wait.ts";
import { leaderFirst, onlyClusterName } from "./members.ts";
import { parseConfig } from "./remote_config.ts";

const POLL_MS = 500;

export const pause: Command = {
  usage: "[CLUSTER_NAME]",
  description:
    "Stops automatic failover: PostgreSQL is neither started nor stopped until `agent ctl resume`.\n" +
    "With --for it ends by itself; on a cluster that is paused, --for sets another end.",
  options: [
    { names: ["wait"], help: "Wait until pause is applied on all nodes" },
    {
      names: ["for"],
      value: "TIME",
      help: "End by itself after this time: 90s, 10min, 2h, 1d; a number alone is seconds",
    },
  ],
  examples: ["agent ctl pause --wait", "agent ctl pause --for 2h --wait"],
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
  const time = paused ? given.value("for") : null;
  if (Boolean(cluster.pause) === paused && time === null) {
    const until = paused ? cluster.agent?.pause_until : undefined;
    const end = until === undefined ? "" : `, until ${until} (--for sets another end)`;
    throw new CtlError(`Cluster is ${paused ? "already" : "not"} paused${end}`);
  }
  const body = { pause: paused ? true : null, ...(time === null ? {} : { pause_for: time }) };
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
  const { pause_until: until } = parseConfig(reply.text);
  if (time !== null && typeof until !== "string") {
    throw new CtlError("The cluster is paused without an end: the member that was asked does not know --for");
  }
  if (given.flag("wait") && !await isApplied(context, cluster, paused)) return 1;
  const end = time === null ? "" : ` until ${String(until)}`;
  io.out(`Success: cluster management is ${paused ? "paused" : "resumed"}${end}`);
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
