/** `agent ctl events`: what happened in the cluster, and what led to it. */
import { type EventJson, EVENTS, jsonText } from "../../src/api/client.ts";
import { plainLine } from "../../src/model/plain_text.ts";
import { parseQuantity } from "../../src/model/time_units.ts";
import { type Command, type Context, FORMAT, WATCH } from "./command.ts";
import { CtlError } from "./errors.ts";
import { causeLine, eventLine } from "./event_lines.ts";
import { onlyClusterName } from "./members.ts";
import { type Format, printListing } from "./output.ts";
import { parseScheduled } from "./time.ts";
import { watching } from "./watch.ts";
import { orLocalRecords } from "./without_members.ts";
import { yamlText } from "./yaml_text.ts";
import { okJson } from "./answer_json.ts";

const COLUMNS = ["Id", "Time", "Member", "Event", "What", "Because"];

export const events: Command = {
  usage: "[CLUSTER_NAME]",
  description:
    "Shows the last events of the cluster, oldest first: who held the lock and why it passed on, what the guard did,\n" +
    "who was lost and came back, what operators asked for. Each names the event that led to it.\n" +
    "`agent ctl why` tells the chain of the present state.",
  options: [
    { names: ["limit"], short: "n", value: "N", help: "At most so many, the newest; 50 if not given" },
    {
      names: ["since"],
      value: "TIME",
      help: "Only events since then: a time (2026-01-31T12:00), or how long ago (90s, 10min, 2h, 1d)",
    },
    { names: ["member"], short: "m", value: "MEMBER", help: "Only events that concern this member" },
    FORMAT,
    ...WATCH,
  ],
  examples: [
    "agent ctl events",
    "agent ctl events --since 1h --member node1",
    "agent ctl events -n 1000 -f json",
    "agent ctl events -n 10 -w 1",
  ],
  run,
};

async function run(context: Context): Promise<number> {
  const { arguments: given, cluster } = context;
  const name = onlyClusterName(context);
  const format = (given.value("format") ?? "pretty") as Format;
  const member = given.value("member");
  const about = member === null ? "" : ` of ${member}`;
  const query = queryFor(given);
  let code = 0;
  await watching(context, async ({ io }) => {
    code = await orLocalRecords({ io, cluster }, name, async () => {
      await cluster.look(name);
      const reply = await cluster.get(`/agent/events${query.size === 0 ? "" : `?${query}`}`);
      if (reply.status === 503) {
        throw new CtlError("the member that answers is of a version that shows no events");
      }
      print(io, okJson(reply, EVENTS), format, about);
    }, async ({ state }) => {
      const { localEvents } = await import("./local_answers.ts");
      print(io, localEvents(state, query), format, about);
    });
  });
  return code;
}

function queryFor(given: Context["arguments"]): URLSearchParams {
  const query = new URLSearchParams();
  const since = given.value("since");
  for (const option of ["limit", "member"]) {
    const value = given.value(option);
    if (value !== null) query.set(option, value);
  }
  if (since !== null) query.set("since", sinceTime(since, Date.now()));
  return query;
}

/** A time as it is, or how long ago. Throws CtlError. */
function sinceTime(text: string, nowMs: number): string {
  const seconds = /[a-z]\s*$/i.test(text) ? parseQuantity(text, "s") : null;
  if (seconds !== null && seconds >= 0) return new Date(nowMs - seconds * 1000).toISOString();
  return parseScheduled(text) ?? new Date(nowMs).toISOString();
}

function print(io: Context["io"], found: readonly EventJson[], format: Format, about: string): void {
  if (format === "json") return io.out(jsonText(found));
  if (format === "yaml" || format === "yml") return io.out(yamlText(found).trimEnd());
  if (format === "tsv") {
    return printListing(io, { columns: COLUMNS, rows: found.map(row), right: [] }, "tsv", "");
  }
  if (found.length === 0) return io.out(`No events${about}.`);
  for (const event of found) {
    io.out(eventLine(event));
    const cause = causeLine(event);
    if (cause !== null) io.out(`    ${cause}`);
  }
}

function row(event: EventJson) {
  return {
    Id: event.id,
    Time: plainLine(event.at),
    Member: plainLine(event.member),
    Event: plainLine(event.kind),
    What: plainLine(event.text),
    Because: event.earlier_gone === true ? "gone" : event.because.join(","),
  };
}
