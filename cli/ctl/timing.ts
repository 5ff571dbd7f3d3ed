/** `agent ctl timing`: whether the times of a running member fit together, and how late its events come. */
import { type Answered, jsonText, TIMING } from "../../src/api/client.ts";
import { type Command, type Context, FORMAT } from "./command.ts";
import { CtlError } from "./errors.ts";
import { leaderOf } from "./members.ts";
import { type Format, type Listing, printListing, type Row } from "./output.ts";
import { yamlText } from "./yaml_text.ts";
import { okJson } from "./answer_json.ts";

type Timing = Answered<typeof TIMING>;

export const timing: Command = {
  usage: "[MEMBER]",
  maxPositionals: 1,
  description:
    "Shows the inequalities that the safety of the lease rests on, with the numbers in force on the leader (or the " +
    "named member), and how late its event loop, its guard and the renewals of its lease came in the last minutes.\n" +
    "What the letters mean: docs/timing.md.",
  options: [FORMAT],
  examples: ["agent ctl timing", "agent ctl timing node2", "agent ctl timing --format json"],
  async run({ io, arguments: given, cluster: access }) {
    const found = await ask(access, given.positionals[0] ?? null);
    const format = (given.value("format") ?? "pretty") as Format;
    switch (format) {
      case "json":
        io.out(jsonText(found));
        return 0;
      case "yaml":
      case "yml":
        io.out(yamlText(found).trimEnd());
        return 0;
    }
    const holds = found.leader === found.name ? "holds the lock" : "does not hold the lock";
    printListing(io, settings(found), format, ` Timing: ${found.name}, ${holds} `);
    printListing(io, inequalities(found), format, " What must hold ");
    printListing(io, measured(found), format, ` Measured in the last ${found.window_s / 60} minutes `);
    if (format === "pretty") {
      for (const line of clockJumps(found)) io.out(line);
      for (const { id, about, note } of found.inequalities) {
        io.out(` ${id}: ${about}${note === null ? "" : ` (${note})`}`);
      }
    }
    return 0;
  },
};

async function ask(access: Context["cluster"], name: string | null): Promise<Timing> {
  const cluster = await access.look();
  const member = name === null ? leaderOf(cluster) : cluster.members.find((each) => each.name === name);
  if (name !== null && !member) throw new CtlError(`${name} is not a member of cluster`);
  // Without a leader, any member that answers knows the settings.
  const reply = member
    ? await access.ofMember(member, "GET", "/agent/timing", { timeoutMs: 2000 })
    : await access.get("/agent/timing");
  if (!reply.ok) throw new CtlError(`${member?.name ?? "the member"} does not answer: ${reply.error}`);
  return okJson(reply, TIMING);
}

function settings({ settings: of }: Timing): Listing {
  const ttl = of.ttl_ms === of.wait_ttl_ms
    ? `${of.ttl_ms} ms`
    : `${of.ttl_ms} ms granted, ${of.wait_ttl_ms} ms waited for`;
  const watchdog = of.watchdog_timeout_ms === null ? "not used" : `${of.watchdog_timeout_ms} ms`;
  const rows: readonly (readonly [string, string, string])[] = [
    ["ttl", ttl, "how long the lock outlives its last renewal"],
    ["L", `${of.lease_ms} ms`, "lease of the primary, from the send of a renewal that was acknowledged"],
    ["R", `${of.renew_ms} ms`, "between two renewals"],
    ["J", `${of.j_ms} ms`, "how late the guard's timer may be"],
    ["K", `${of.k_ms} ms`, "how long a freeze of PostgreSQL may take"],
    ["rho", `${of.rho}`, "how much the rates of two clocks may differ"],
    ["heartbeat", `${of.heartbeat_ms} ms`, "of the raft leader"],
    [
      "Emin, Emax",
      `${of.election_min_ms}, ${of.election_max_ms} ms`,
      "without a raft leader before an election",
    ],
    ["freeze to kill", `${of.kill_after_ms} ms`, "how long PostgreSQL stays frozen before it is killed"],
    ["W", watchdog, "timeout of the watchdog device"],
    ["loop_wait", `${of.loop_wait_ms} ms`, "longest time between two looks of the agent"],
    ["retry_timeout", `${of.retry_timeout_ms} ms`, "how long an operation is retried"],
  ];
  return {
    columns: ["Name", "Value", "Meaning"],
    rows: rows.map(([Name, Value, Meaning]) => ({ Name, Value, Meaning })),
    right: [],
  };
}

function inequalities({ inequalities: rules }: Timing): Listing {
  const rows = rules.map((rule): Row => {
    const used = rule.left.length > 0;
    const sum = (of: (term: { name: string; ms: number }) => string) => rule.left.map(of).join(" + ");
    return {
      Rule: rule.id,
      "Left side": used
        ? `${sum(({ name }) => name)} = ${sum(({ ms }) => whole(ms))} = ${whole(rule.left_ms)} ms`
        : "",
      "": rule.relation,
      "Right side": `${rule.right} = ${whole(rule.right_ms)} ms`,
      Margin: used ? `${whole(rule.margin_ms)} ms` : "",
      Verdict: rule.verdict,
    };
  });
  return {
    columns: ["Rule", "Left side", "", "Right side", "Margin", "Verdict"],
    rows,
    right: ["Margin"],
  };
}

const JUMP: { readonly [kind: string]: string } = {
  stall: "stood still for",
  forward: "saw the wall clock go ahead by",
  backward: "saw the wall clock go back by",
};

/** A later release may have words that this one does not know. */
function wordOf(words: { readonly [word: string]: string }, word: string): string {
  return Object.hasOwn(words, word) ? words[word]! : word;
}

/** Members of earlier releases do not tell. */
function clockJumps({ clock_jumps: found = [] }: Timing): string[] {
  return found.flatMap(({ process, count, last }) =>
    last === null ? [] : [
      ` The ${process} ${wordOf(JUMP, last.kind)} ${
        (last.by_ms / 1000).toFixed(1)
      } s, ${last.ago_s} s ago (${count} in all)`,
    ]
  );
}

const WHAT: { readonly [what: string]: string } = {
  event_loop: "event loop late",
  guard: "guard's timer late",
  renewal: "renewal, round trip",
};

function measured({ measured: found }: Timing): Listing {
  const rows = found.map((one): Row => ({
    What: wordOf(WHAT, one.what),
    p50: milliseconds(one.p50_ms),
    p99: milliseconds(one.p99_ms),
    "p99.9": milliseconds(one.p999_ms),
    Max: milliseconds(one.max_ms),
    Budget: milliseconds(one.budget_ms),
    Samples: one.samples,
    Verdict: one.verdict,
  }));
  const right = ["p50", "p99", "p99.9", "Max", "Budget", "Samples"];
  return { columns: ["What", ...right, "Verdict"], rows, right };
}

function milliseconds(ms: number | null): string {
  return ms === null ? "" : `${ms.toFixed(ms < 100 ? 1 : 0)} ms`;
}

function whole(ms: number): string {
  return ms.toFixed(0);
}
