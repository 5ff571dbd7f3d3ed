/**
 * Which faults befall a cluster, when, where and for how long: a pure function of the seed. The kinds of
 * faults are rows of a table; faults.ts says how each is done.
 */
import { Prng } from "../../raft/sim/mod.ts";

export type Mode = "off" | "on" | "quorum";

export type FaultName =
  | "kill agent"
  | "kill guard"
  | "kill postmaster"
  | "kill node"
  | "stop agent"
  | "stop guard"
  | "stop postmaster"
  | "stop node"
  | "cut node"
  | "split"
  | "deaf"
  | "mute"
  | "one way"
  | "slow cable"
  | "lossy cable"
  | "power cycle"
  | "clock step"
  | "full disk"
  | "raft directory lost"
  | "member replaced"
  | "member comes or goes";

export interface FaultRow {
  readonly name: FaultName;
  readonly weight: number;
  /** How long it lasts, at least and at most. */
  readonly forMs: readonly [number, number];
  /** How many of it in a round. @default any number */
  readonly most?: number;
  /** A round has one of the rows that have this in common. @default any number */
  readonly excludes?: string;
  /** Left out where this is not installed. @default nothing */
  readonly needs?: "faketime";
  /** @default all */
  readonly modes?: readonly Mode[];
}

/** Where confirmations rest on standbys and on no clock. */
const SYNCHRONOUS: readonly Mode[] = ["on", "quorum"];

export const FAULTS: readonly FaultRow[] = [
  { name: "kill agent", weight: 3, forMs: [0, 3000] },
  { name: "kill guard", weight: 2, forMs: [0, 0] },
  { name: "kill postmaster", weight: 2, forMs: [0, 0] },
  { name: "kill node", weight: 3, forMs: [200, 12_000] },
  { name: "stop agent", weight: 2, forMs: [300, 10_000] },
  { name: "stop guard", weight: 2, forMs: [300, 10_000] },
  { name: "stop postmaster", weight: 1, forMs: [300, 10_000] },
  // The pause of a whole machine: asynchronous commit promises nothing then (docs/operations.md).
  { name: "stop node", weight: 2, forMs: [300, 10_000], modes: SYNCHRONOUS },
  { name: "cut node", weight: 2, forMs: [300, 12_000] },
  { name: "split", weight: 2, forMs: [300, 12_000] },
  { name: "deaf", weight: 1, forMs: [300, 10_000] },
  { name: "mute", weight: 1, forMs: [300, 10_000] },
  { name: "one way", weight: 2, forMs: [300, 10_000] },
  { name: "slow cable", weight: 2, forMs: [1000, 15_000] },
  { name: "lossy cable", weight: 2, forMs: [1000, 15_000] },
  { name: "power cycle", weight: 1, forMs: [200, 3000], most: 1 },
  { name: "clock step", weight: 2, forMs: [2500, 15_000], needs: "faketime" },
  { name: "full disk", weight: 2, forMs: [500, 10_000] },
  // Two of three logs lost at once are a lost majority, which only an operator may mend.
  { name: "raft directory lost", weight: 1, forMs: [200, 3000], most: 1, excludes: "a member" },
  { name: "member replaced", weight: 1, forMs: [0, 2000], most: 1, excludes: "a member" },
  { name: "member comes or goes", weight: 1, forMs: [0, 0], most: 1, excludes: "a member" },
];

/** Which node is meant shows only when the fault comes. */
export type Target =
  | { readonly kind: "primary" }
  | { readonly kind: "standby"; readonly number: number }
  | { readonly kind: "node"; readonly number: number };

export interface PlannedFault {
  /** After the begin of the round. */
  readonly atMs: number;
  readonly name: FaultName;
  readonly target: Target;
  readonly forMs: number;
  /** Order of the other nodes: the other end of a one-way cut, the other side of a split. */
  readonly others: readonly number[];
  /** For what else is left to chance. */
  readonly seed: number;
}

/** Faults, until all is mended and the cluster must come back by itself. */
export interface Round {
  readonly number: number;
  readonly forMs: number;
  readonly faults: readonly PlannedFault[];
}

export interface ScheduleOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly mode: Mode;
  /** Only faults with one of these in their names. @default all */
  readonly only?: readonly string[];
  /** What rows need and this machine has not. @default nothing */
  readonly lacks?: readonly string[];
}

const ROUND_MS = [20_000, 40_000] as const;
const MEAN_PAUSE_MS = 2500;
/** After this part of a round nothing new begins. */
const LAST_PART = 0.9;

/** The rows that a run draws from. */
export function rowsOf(
  { mode, only = [], lacks = [] }: Pick<ScheduleOptions, "mode" | "only" | "lacks">,
): FaultRow[] {
  return FAULTS.filter(({ name, modes, needs }) =>
    (modes?.includes(mode) ?? true) && (needs === undefined || !lacks.includes(needs)) &&
    (only.length === 0 || only.some((part) => name.includes(part)))
  );
}

/** @throws when no fault is left to draw */
export function roundOf(options: ScheduleOptions, number: number): Round {
  const rows = rowsOf(options);
  if (rows.length === 0) throw new Error(`no fault is called so: ${options.only?.join(", ")}`);
  const random = new Prng(options.seed).split(`round ${number}`);
  const forMs = Math.round(random.between(...ROUND_MS));
  const faults: PlannedFault[] = [];
  let atMs = random.exponential(MEAN_PAUSE_MS);
  while (atMs < LAST_PART * forMs) {
    const left = rows.filter((row) => fits(row, faults));
    if (left.length === 0) break;
    faults.push(draw(random, left, options.nodes, Math.round(atMs)));
    atMs += random.exponential(MEAN_PAUSE_MS);
  }
  return { number, forMs, faults };
}

function fits({ name, most = Infinity, excludes }: FaultRow, faults: readonly PlannedFault[]): boolean {
  const kindOf = (fault: PlannedFault) => FAULTS.find((row) => row.name === fault.name)?.excludes;
  return faults.filter((one) => one.name === name).length < most &&
    (excludes === undefined || !faults.some((one) => kindOf(one) === excludes));
}

function draw(random: Prng, rows: readonly FaultRow[], nodes: number, atMs: number): PlannedFault {
  const weights = Object.fromEntries(rows.map(({ name, weight }) => [name, weight]));
  const name = random.weighted(weights) as FaultName;
  const { forMs } = rows.find((row) => row.name === name)!;
  const numbers = Array.from({ length: nodes }, (_, i) => i);
  return {
    atMs,
    name,
    target: drawTarget(random, nodes),
    forMs: Math.round(random.between(...forMs)),
    others: numbers.map((number) => ({ number, at: random.unit() })).sort((a, b) => a.at - b.at)
      .map(({ number }) => number),
    seed: random.bits(),
  };
}

function drawTarget(random: Prng, nodes: number): Target {
  const kind = random.weighted({ primary: 4, standby: 3, node: 3 });
  if (kind === "primary") return { kind };
  return { kind, number: random.below(kind === "standby" ? nodes - 1 : nodes) };
}
