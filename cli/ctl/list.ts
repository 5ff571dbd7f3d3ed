/** `agent ctl list`: the members of the cluster. */
import { type Command, type Context, FORMAT, WATCH } from "./command.ts";
import { printMembers } from "./members_table.ts";
import type { Format } from "./output.ts";
import { timestamp } from "./time.ts";
import { watching } from "./watch.ts";

export const list: Command = {
  usage: "[CLUSTER_NAMES]...",
  description:
    "Shows every member that was heard of within a ttl: its role, state, timeline, and how far it is behind.",
  options: [
    { names: ["extended"], short: "e", help: "Show some extra information" },
    { names: ["timestamp"], short: "t", help: "Print timestamp" },
    FORMAT,
    ...WATCH,
  ],
  examples: ["agent ctl list", "agent ctl list -e -W", "agent ctl -c /etc/agent/node1.yml list -f json"],
  run: (context) => showMembers(context, (context.arguments.value("format") ?? "pretty") as Format),
};

/** Shows the members; also for topology, which is a list in another order. */
export async function showMembers(context: Context, format: Format): Promise<number> {
  const { io, arguments: given, cluster } = context;
  const names = given.positionals.length > 0 ? given.positionals : [null];
  return await watching(context, async () => {
    if (given.flag("timestamp")) io.out(timestamp(0));
    for (const name of names) {
      printMembers(io, await cluster.look(name), { format, extended: given.flag("extended"), quorum: true });
    }
  });
}
