/** The command line of the simulator. Pure: text in, options or an error message out. */

import type { BrokenRule, BrokenRules } from "../dcs/broken_rules.ts";
import { CLUSTER_FAULTS, type ClusterFault } from "./faults/fault_kinds.ts";
import { type Share, shareOf } from "../../raft/sim/mod.ts";

/**
 * Rules of the lease and the guard that can be switched off, each to be seen as needed (docs: the safety
 * argument).
 */
export const BREAKABLE: Readonly<Record<BrokenRule, string>> = {
  "lease-from-receipt": "the lease is counted from the receipt of the acknowledgement",
  "no-jk-room": "the lease is as long as the ttl: no room for the guard's J + K",
  "no-readindex": "renewals are acknowledged without a ReadIndex round",
  "no-reset": "a new raft leader does not wait a full ttl",
  "no-guard": "the agent fences itself: a paused agent does not",
  "failsafe-forgotten": "a member that accepted a lease in failsafe mode does not wait before it is promoted",
  "failsafe-no-start-wait":
    "an agent does not wait after its start, though it may have forgotten what it accepted",
  "failsafe-from-receipt": "a lease in failsafe mode is counted from the last answer",
  "failsafe-some": "a lease in failsafe mode needs one member's answer, not every member's",
  "failsafe-lapsed": "failsafe mode extends a lease that has run out, and members accept whatever they know",
  "failsafe-outsider": "a member outside the failsafe set may be granted the lock",
  "failsafe-ended-early": "a member ends a failsafe set before the lease that it agreed to has run out",
  "promote-before-renewal": "a member is promoted before its first renewal is acknowledged",
  "ttl-not-shortened": "a holder keeps its longer lease when ttl is lowered, and says that it has none",
  "expiry-forgotten": "an expiry whose outcome is unknown no longer keeps its epoch from being renewed",
  "fence-lifted-early": "a pause that is asked for again lifts the fence while fenced(e) may yet take effect",
  "name-is-enough": "an epoch belongs to the member of its holder's name, whatever machine that is",
  "shutdown-unproven":
    "a primary that was told to shut down counts as past its shutdown checkpoint, whatever its control file says",
  "recover-at-once": "a cluster that is recovered from a lost majority grants the lock without waiting a ttl",
  "recover-old-epochs": "a recovered cluster counts on from the last epoch that the survivor knows",
  "sync-uncut": "a standby votes without being cut off from the last holder",
  "sync-early-end": "a vote says how far WAL went when the lock became free, before the standby was cut off",
  "sync-old-vote": "a vote counts in the choices after the one that it was given for, too",
  "sync-one-vote": "a synchronous standby needs no other vote than its own",
  "sync-data-forgotten": "a synchronous standby whose data was made anew still votes",
  "sync-grant-by-name": "the lock is granted as if nothing were promised",
  "sync-set-first": "synchronous_standby_names changes before the record covers it",
  "sync-log-first": "a standby counts in the record before it has flushed what was acknowledged",
  "sync-degrade-alone": "a primary without a standby waits for nobody before the record says so",
  "sync-promote-bare": "a primary is promoted before synchronous_standby_names is in place",
  "sync-checkpointer-late": "a standby is promoted before its checkpointer has every commit wait",
  "sync-stale-sender":
    "a WAL sender that has not read synchronous_standby_names yet is taken for one that has",
  "sync-first-unlogged": "a first commit is acknowledged before the records name the standby that has it",
  "sync-mixed-senders": "WAL senders are taken to go over to a new synchronous_standby_names all at once",
  "sync-off-unlogged": "with the mode off a primary waits for nobody before the record says so",
  "sync-late-record": "synchronous_standby_names changes while a record from before may yet be applied",
  "sync-put-back": "a data directory that holds less than it did is taken for the one that it was",
  "sync-start-unlooked": "a server is started without another look at its data directory",
};

function isBreakable(rule: string): rule is BrokenRule {
  return Object.hasOwn(BREAKABLE, rule);
}

export const DEFAULT_FAULT_SECONDS = 60;

export interface Options {
  readonly seeds: number;
  readonly seed: number;
  readonly broken: BrokenRules;
  /** Stop beginning runs after so many simulated hours in all; Infinity: no limit. */
  readonly hours: number;
  /** Stop beginning runs after so many real seconds; Infinity: no limit. */
  readonly seconds: number;
  readonly faultSeconds: number;
  /** Only faults of this kind; null: the kinds that each seed draws. */
  readonly only: ClusterFault | null;
  /** Synchronous modes, in most runs with all bounds of clocks broken. */
  readonly sync: boolean;
  /** Every cluster follows another one at first, and its role changes. */
  readonly roles: boolean;
  readonly trace: boolean;
  readonly worker: Share | null;
}

export const USAGE = `Usage: npm run sim -- [options]

Runs the whole cluster (raft, agents, guards; production code) in a simulated world, once for each seed.

  --seeds N          number of runs (default 100; 1 when only --seed is given; no limit with --hours or --seconds)
  --seed S           first seed (default 1)
  --hours H          begin no run after H simulated hours in all
  --seconds S        begin no run after S seconds of real time
  --fault-seconds S  length of the phase with faults of a run (default ${DEFAULT_FAULT_SECONDS})
  --only FAULT       no other faults than these: ${CLUSTER_FAULTS.join(", ")}
  --break RULE       switch one safety rule off; runs end at the first violation. The faults are those that show it
                     soonest, unless --only names others
  --sync             synchronous modes, changed under fault; in most runs with all bounds of clocks broken
  --roles            every cluster follows another one at first; promote-cluster, demote-cluster and so on follow
  --trace            print the event log as it happens (best with one seed)
  --help             this text

Rules for --break:
${Object.entries(BREAKABLE).map(([name, text]) => `  ${name.padEnd(24)}${text}`).join("\n")}

Exit code: 0 no violation, 1 a violation (how to replay it is printed), 2 wrong use. With --break: 1 in any case; a rule
that is missing and was not noticed is said to be UNNOTICED.
`;

export type Parsed =
  | { readonly kind: "options"; readonly options: Options }
  | { readonly kind: "help" }
  | { readonly kind: "error"; readonly message: string };

const FLAGS = ["--trace", "--sync", "--roles"];
const VALUED = [
  "--seeds",
  "--seed",
  "--hours",
  "--seconds",
  "--fault-seconds",
  "--only",
  "--break",
  "--worker",
];

export function parseOptions(args: readonly string[]): Parsed {
  const given = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const [name, inline] = splitOnce(args[i]!, "=");
    if (name === "--help" || name === "-h") return { kind: "help" };
    if (FLAGS.includes(name)) {
      given.set(name, "");
      continue;
    }
    if (!VALUED.includes(name)) return wrong(`unknown option ${name}`);
    const value = inline ?? args[++i];
    if (value === undefined) return wrong(`${name} needs a value`);
    given.set(name, value);
  }
  const numbers: { [name: string]: number } = {};
  for (const name of ["--seeds", "--seed", "--hours", "--seconds", "--fault-seconds"]) {
    const text = given.get(name);
    if (text === undefined) continue;
    const value = Number(text);
    const whole = name === "--seeds" || name === "--seed";
    if (text.trim() === "" || !Number.isFinite(value) || (whole && !Number.isSafeInteger(value))) {
      return wrong(`${name} ${text}: ${whole ? "a whole number" : "a number"} is expected`);
    }
    if (value < 0 || (value === 0 && name !== "--seed")) return wrong(`${name} must be greater than 0`);
    numbers[name] = value;
  }
  const rule = given.get("--break");
  if (rule !== undefined && !isBreakable(rule)) {
    return wrong(`--break ${rule}: no such rule; known are ${Object.keys(BREAKABLE).join(", ")}`);
  }
  const only = given.get("--only") as ClusterFault | undefined;
  if (only !== undefined && !CLUSTER_FAULTS.includes(only)) {
    return wrong(`--only ${only}: no such fault; known are ${CLUSTER_FAULTS.join(", ")}`);
  }
  const worker = given.get("--worker");
  const boxed = given.has("--hours") || given.has("--seconds");
  return {
    kind: "options",
    options: {
      seeds: numbers["--seeds"] ?? (boxed ? Number.MAX_SAFE_INTEGER : given.has("--seed") ? 1 : 100),
      seed: numbers["--seed"] ?? 1,
      hours: numbers["--hours"] ?? Infinity,
      seconds: numbers["--seconds"] ?? Infinity,
      faultSeconds: numbers["--fault-seconds"] ?? DEFAULT_FAULT_SECONDS,
      only: only ?? null,
      broken: new Set(rule === undefined ? [] : [rule]),
      sync: given.has("--sync"),
      roles: given.has("--roles"),
      trace: given.has("--trace"),
      worker: worker === undefined ? null : shareOf(worker),
    },
  };
}

function splitOnce(text: string, by: string): [string, string | undefined] {
  const at = text.indexOf(by);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function wrong(message: string): Parsed {
  return { kind: "error", message };
}
