/** `agent ctl watch`: the members, and below them what happened last, until a key ends it. */
import { EVENTS } from "../../src/api/client.ts";
import { okJson } from "./answer_json.ts";
import { type Command, type Context, WATCH_SECONDS } from "./command.ts";
import { causeLine, eventLine } from "./event_lines.ts";
import type { Io } from "./io.ts";
import { onlyClusterName } from "./members.ts";
import { printMembers } from "./members_table.ts";
import { timestamp } from "./time.ts";
import { repeat, secondsOf } from "./watch.ts";

const DEFAULT_S = 1;
/** As many events are asked for; as many of them are shown as there is room for. */
const MOST_EVENTS = 100;
const FEWEST_EVENTS = 3;
const WITHOUT_SCREEN = 10;

export const live: Command = {
  usage: "[CLUSTER_NAME]",
  description:
    "Shows the members as `list` does, and below them the last events, and draws both anew every second. Goes on when\n" +
    "members do not answer, and says since when. q or Ctrl-C ends it. Into a pipe, one picture follows the other.",
  options: [WATCH_SECONDS, { names: ["extended"], short: "e", help: "Show some extra information" }],
  examples: ["agent ctl watch", "agent ctl watch -w 5 -e"],
  run,
};

/** A screen of its own without a cursor, and back to what stood there before. */
const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";

async function run(context: Context): Promise<number> {
  const { io } = context;
  const seconds = secondsOf(context) ?? DEFAULT_S;
  const name = onlyClusterName(context);
  const seen = new Seen();
  const show = (shown: Context) => picture(shown, name, seconds, seen);
  if (!io.isTerminal) return await repeat(context, seconds, show);
  let isOver = false;
  let end = () => {};
  const ended = new Promise<void>((resolve) => end = resolve);
  const release = io.onKey((key) => {
    if (!["q", "Q", "\x03", "\x04", "\x1b"].includes(key)) return;
    isOver = true;
    end();
  });
  io.ask(ENTER);
  try {
    return await repeat(context, seconds, show, { isOver: () => isOver, ended });
  } finally {
    io.ask(LEAVE);
    release();
  }
}

/** Which events were there at the first picture: those that came since are shown in bold. */
class Seen {
  #last: number | null = null;

  isNew(id: number): boolean {
    return this.#last !== null && id > this.#last;
  }

  begin(ids: readonly number[]): void {
    this.#last ??= Math.max(0, ...ids);
  }
}

async function picture(context: Context, name: string | null, seconds: number, seen: Seen): Promise<void> {
  const { io, arguments: given, cluster: access } = context;
  const cluster = await access.look(name, { showsAge: true });
  const reply = await access.get(`/agent/events?limit=${MOST_EVENTS}`);
  const lines = counting(io);
  if (io.isTerminal) lines.io.out(`${timestamp(0)}  every ${seconds} s, q ends`, "place");
  printMembers(lines.io, cluster, { format: "pretty", extended: given.flag("extended"), quorum: true });
  if (reply.status !== 200) return;
  const events = okJson(reply, EVENTS);
  seen.begin(events.map(({ id }) => id));
  const rows = io.size()?.rows;
  const room = rows === undefined ? WITHOUT_SCREEN : Math.max(FEWEST_EVENTS, rows - lines.count() - 3);
  io.out("");
  io.out(" Events:");
  const shown = events.flatMap((event) => {
    const cause = causeLine(event);
    const colour = seen.isNew(event.id) ? "title" as const : undefined;
    const both = [` ${eventLine(event)}`, ...(cause === null ? [] : [`     ${cause}`])];
    return both.map((text, index) => ({ text, colour, isCause: index > 0 }));
  }).slice(-room);
  // A cause whose event has no room would be read as that of the members above.
  if (shown[0]?.isCause === true) shown.shift();
  for (const { text, colour } of shown) io.out(cut(text, io), colour);
}

/** An event is one line, so that many have room: `agent ctl events` shows the whole of it. */
function cut(text: string, io: Io): string {
  const columns = io.size()?.columns;
  const characters = [...text];
  return columns === undefined || characters.length <= columns
    ? text
    : `${characters.slice(0, columns - 1).join("")}…`;
}

/** Counts the lines that go through it. */
function counting(io: Io): { readonly io: Pick<Io, "out">; count(): number } {
  let count = 0;
  return {
    io: {
      out: (line, colour) => {
        count += line.split("\n").length;
        io.out(line, colour);
      },
    },
    count: () => count,
  };
}
