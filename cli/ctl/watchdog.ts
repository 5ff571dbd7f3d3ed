/** `agent ctl watchdog status` and `watchdog test`: the device that resets a host which stalls. */
import { WATCHDOG, type WatchdogJson } from "../../src/api/client.ts";
import { MAX_TIMEOUT_S } from "../../src/model/limits.ts";
import { type Command, type Context, FORMAT } from "./command.ts";
import { CtlError, UsageError } from "./errors.ts";
import { leaderOf } from "./members.ts";
import { type Format, printListing, type Row } from "./output.ts";
import { answerJson } from "./answer_json.ts";

const DEFAULT_SECONDS = 4;
const POLL_MS = 100;

export const watchdog: Command = {
  usage: "status | test [MEMBER]",
  maxPositionals: 2,
  description:
    "status: device, timeout and state of each member's watchdog, and what the last boot was caused by.\n" +
    "test: watches for some seconds whether the leader's (or the named member's) watchdog is fed, and how close it " +
    "comes to a reset. Nothing is reset by it.",
  options: [
    { ...FORMAT, of: ["status"] },
    { names: ["seconds"], value: "N", of: ["test"], help: `How long to watch (default ${DEFAULT_SECONDS})` },
  ],
  examples: [
    "agent ctl watchdog status",
    "agent ctl watchdog test",
    "agent ctl watchdog test node1 --seconds 30",
  ],
  async run(context) {
    const [verb, name] = context.arguments.positionals;
    if (verb === "status" && name === undefined) return await status(context);
    if (verb === "test") return await test(context, name ?? null);
    throw new UsageError("Say what to do: agent ctl watchdog status, or agent ctl watchdog test [MEMBER].");
  },
};

async function status({ io, arguments: given, cluster: access }: Context): Promise<number> {
  const cluster = await access.look();
  const columns = ["Member", "Mode", "State", "Device", "Identity", "Timeout", "Time left", "Last boot"];
  const rows = await Promise.all(cluster.members.map(async (member): Promise<Row> => {
    const found = await ask(access, member);
    if (typeof found === "string") return { Member: member.name, State: found };
    return {
      Member: member.name,
      Mode: found.mode,
      State: stateOf(found),
      Device: found.device,
      Identity: found.identity ?? "",
      Timeout: found.timeout === null ? "" : `${found.timeout} s`,
      "Time left": found.time_left === null ? "" : `${found.time_left.toFixed(1)} s`,
      "Last boot": found.boot_cause ?? "",
    };
  }));
  const format = (given.value("format") ?? "pretty") as Format;
  printListing(
    io,
    { columns, rows, right: ["Timeout", "Time left"] },
    format,
    ` Watchdog: ${cluster.scope} `,
  );
  return 0;
}

function stateOf({ mode, active, problem }: WatchdogJson): string {
  if (active) return "active";
  if (mode === "off") return "off";
  return problem === null ? "ready" : `not usable: ${problem}`;
}

async function ask(
  access: Context["cluster"],
  member: { readonly api_url: string },
): Promise<WatchdogJson | string> {
  const reply = await access.ofMember(member, "GET", "/agent/watchdog", { timeoutMs: 2000 });
  if (!reply.ok) return `no answer: ${reply.error}`;
  return reply.status === 200 ? answerJson(reply.text, WATCHDOG) : reply.text;
}

async function test(
  { io, arguments: given, cluster: access }: Context,
  name: string | null,
): Promise<number> {
  const seconds = Number(given.value("seconds") ?? DEFAULT_SECONDS);
  if (!(seconds > 0 && seconds <= MAX_TIMEOUT_S)) {
    throw new UsageError(`--seconds must be a number of seconds, at most ${MAX_TIMEOUT_S}.`);
  }
  const cluster = await access.look();
  const member = name === null ? leaderOf(cluster) : cluster.members.find((each) => each.name === name);
  if (!member) {
    throw new CtlError(name === null ? "there is no leader" : `${name} is not a member of cluster`);
  }
  const begin = await ask(access, member);
  if (typeof begin === "string") throw new CtlError(`${member.name}: ${begin}`);
  refuseIdle(begin);
  io.out(
    `${begin.name}: ${begin.device}${begin.identity === null ? "" : ` (${begin.identity})`}, ` +
      `timeout ${begin.timeout} s; watching for ${seconds} s`,
  );
  let last = begin;
  let leastLeftS = begin.time_left ?? Infinity;
  const untilMs = performance.now() + 1000 * seconds;
  while (performance.now() < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    const seen = await ask(access, member);
    if (typeof seen === "string") throw new CtlError(`${member.name}: ${seen}`);
    refuseIdle(seen);
    last = seen;
    leastLeftS = Math.min(leastLeftS, seen.time_left ?? Infinity);
  }
  const feeds = last.feeds - begin.feeds;
  if (feeds === 0) {
    throw new CtlError(
      `Not fed in ${seconds} s: ${last.name} will be reset${
        last.time_left === null ? "" : ` in ${last.time_left.toFixed(1)} s`
      } unless its lease is renewed`,
    );
  }
  io.out(
    `Fed ${feeds} times; the reset was never nearer than ${leastLeftS.toFixed(2)} s of ${last.timeout} s`,
  );
  return 0;
}

function refuseIdle({ name, mode, active, problem, advice, leader }: WatchdogJson): void {
  if (active) return;
  if (mode === "off") throw new CtlError(`${name}: watchdog.mode is off`);
  if (problem !== null) {
    throw new CtlError(`${name}: no watchdog is used: ${problem}.\n${advice ?? ""}`.trim());
  }
  throw new CtlError(
    name === leader
      ? `${name}: the watchdog is not active`
      : `${name} is not the leader: its watchdog is usable, and runs only while it leads`,
  );
}
