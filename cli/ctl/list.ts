/** `agent ctl list`: the members of the cluster. */
import { type Command, type Context, FORMAT, WATCH } from "./command.ts";
import { isForPeople } from "./members_cells.ts";
import { parseColumns, printMembers } from "./members_table.ts";
import type { Format } from "./output.ts";
import { clusterOf } from "./records_view.ts";
import { timestamp } from "./time.ts";
import { watching } from "./watch.ts";
import { orLocalRecords } from "./without_members.ts";

export const list: Command = {
  usage: "[CLUSTER_NAMES]...",
  description:
    "Shows every member that was heard of within a ttl: its role, state, timeline, and how far it is behind.",
  options: [
    { names: ["extended"], short: "e", help: "Show some extra information" },
    { names: ["timestamp"], short: "t", help: "Print timestamp" },
    FORMAT,
    {
      names: ["columns"],
      value: "NAMES",
      help:
        "Only these columns, with commas between (Member,State); `legacy`: those of patronictl before 4.1",
    },
    ...WATCH,
  ],
  examples: [
    "agent ctl list",
    "agent ctl list -e -W",
    "agent ctl -c /etc/agent.yml list -f json",
    "agent ctl list --columns Member,Role,State -f tsv",
  ],
  run: (context) => showMembers(context, (context.arguments.value("format") ?? "pretty") as Format),
};

/** Shows the members; also for topology, which is a list in another order. */
export async function showMembers(context: Context, format: Format): Promise<number> {
  const { arguments: given, cluster } = context;
  const names = given.positionals.length > 0 ? given.positionals : [null];
  const columns = parseColumns(given.value("columns"));
  const extended = given.flag("extended");
  let code = 0;
  await watching(context, async ({ io }) => {
    if (given.flag("timestamp")) io.out(timestamp(0));
    code = 0;
    for (const name of names) {
      code = Math.max(
        code,
        await orLocalRecords({ io, cluster }, name, async () => {
          const found = await cluster.look(name, { showsAge: isForPeople(format) });
          printMembers(io, found, { format, extended, columns, quorum: true });
        }, ({ state, origin }) => {
          const found = clusterOf(state, name ?? cluster.scope ?? "");
          printMembers(io, found, { format, extended, columns, stale: origin });
        }),
      );
    }
  });
  return code;
}
