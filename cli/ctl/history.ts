/** `agent ctl history`: when which member became the leader. */
import { type Command, FORMAT } from "./command.ts";
import { onlyClusterName } from "./members.ts";
import { type Format, printListing } from "./output.ts";
import { HISTORY } from "../../src/api/client.ts";
import { okJson } from "./answer_json.ts";

const COLUMNS = ["TL", "LSN", "Reason", "Timestamp", "New Leader"];

export const history: Command = {
  usage: "[CLUSTER_NAME]",
  description:
    "Shows every change of timeline: where it happened in the WAL, why, when, and who led from then on.",
  options: [FORMAT],
  examples: ["agent ctl history", "agent ctl history -f json"],
  async run(context) {
    const { io, arguments: given, cluster } = context;
    await cluster.look(onlyClusterName(context));
    const reply = await cluster.get("/history");
    const lines = okJson(reply, HISTORY);
    const rows = lines.map((line) =>
      Object.fromEntries(COLUMNS.map((column, index) => [column, line[index] ?? ""]))
    );
    printListing(
      io,
      { columns: COLUMNS, rows, right: ["TL", "LSN"] },
      (given.value("format") ?? "pretty") as Format,
      "",
    );
    return 0;
  },
};
