/** `agent ctl history`: when which member became the leader, and what WAL was lost with that. */
import { type Command, type Context, FORMAT } from "./command.ts";
import { onlyClusterName } from "./members.ts";
import { type Format, printListing, type Row } from "./output.ts";
import { HISTORY, LOSSES, type LossJson } from "../../src/api/client.ts";
import { formatLsn } from "../../src/model/lsn.ts";
import { okJson } from "./answer_json.ts";
import { orLocalRecords } from "./without_members.ts";

const COLUMNS = ["TL", "LSN", "Reason", "Timestamp", "New Leader"];
/** Not Patroni's: shown where some change of timeline has a value. */
const LOST = ["Lost WAL", "Lost Bytes", "Lost Transactions", "Lost By"];

type Line = readonly (string | number | null)[];

export const history: Command = {
  usage: "[CLUSTER_NAME]",
  description:
    "Shows every change of timeline: where it happened in the WAL, why, when, and who led from then on. If a member\n" +
    "had more WAL on the old timeline when it came back, its end, size and number of transactions are shown as well.",
  options: [FORMAT],
  examples: ["agent ctl history", "agent ctl history -f json"],
  async run(context) {
    const { cluster } = context;
    const name = onlyClusterName(context);
    return await orLocalRecords(context, name, async () => {
      await cluster.look(name);
      const lines = okJson(await cluster.get("/history"), HISTORY);
      const reply = await cluster.get("/agent/losses");
      // A member of an earlier version knows no such path.
      print(context, lines, reply.status === 503 || reply.status === 404 ? [] : okJson(reply, LOSSES));
    }, ({ state }) => print(context, state.history, []));
  },
};

function print({ io, arguments: given }: Context, lines: readonly Line[], losses: readonly LossJson[]): void {
  const rows = lines.map((line): Row => ({
    ...Object.fromEntries(COLUMNS.map((column, index) => [column, line[index] ?? ""])),
    ...lost(line, losses),
  }));
  const isAny = rows.some((row) => LOST[0]! in row);
  printListing(
    io,
    { columns: isAny ? [...COLUMNS, ...LOST] : COLUMNS, rows, right: ["TL", "LSN", ...LOST.slice(1, 3)] },
    (given.value("format") ?? "pretty") as Format,
    "",
  );
}

/** What was lost with this change of timeline: of several members, the most. */
function lost([timeline, lsn]: Line, losses: readonly LossJson[]): Row {
  if (typeof lsn !== "number") return {};
  const most = losses.filter((loss) => loss.timeline === timeline && loss.lsn === formatLsn(lsn))
    .reduce<LossJson | null>(
      (first, loss) => first !== null && first.bytes >= loss.bytes ? first : loss,
      null,
    );
  return most === null ? {} : {
    "Lost WAL": `${most.lsn} - ${most.end}`,
    "Lost Bytes": most.bytes,
    "Lost Transactions": most.transactions ?? "unknown",
    "Lost By": most.member,
  };
}
