/**
 * Decisions that a running node has recorded, each with the view that it was made of, and the same views
 * decided anew. Nothing but the view goes into a decision, so another version that decides differently
 * decides so for a reason in its code.
 */
import type { Decision } from "./actions.ts";
import { type ClusterDecision, coordinate } from "./cluster/coordinate.ts";
import type { ClusterView } from "./cluster/view.ts";
import { duties, type Duty } from "./duties.ts";
import type { DutyView } from "./duty_view.ts";
import { keep } from "./keep/rules.ts";
import { lastGrantOf } from "../model/event.ts";
import { exactJson, fromExactJson } from "../model/exact_json.ts";

/** What a node decided for its own PostgreSQL, or as the raft leader for the cluster. */
export type DecisionPair =
  | {
    readonly by: "keeper";
    readonly view: DutyView;
    readonly decision: Decision;
    readonly duties: readonly Duty[];
  }
  | { readonly by: "coordinator"; readonly view: ClusterView; readonly decision: ClusterDecision };

/** A pair with where and when it was decided. */
export interface RecordedDecision {
  readonly version: string;
  readonly node: string;
  /** ISO 8601, in UTC. */
  readonly at: string;
  readonly pair: DecisionPair;
}

/** How a pair is decided now. */
export interface DecidedAnew {
  readonly decision: Decision | ClusterDecision;
  /** The standing duties by a keeper's view; the coordinator has none. */
  readonly duties: readonly Duty[];
}

const FORMAT = 1;

/** One line of a file of decisions. */
export function recordLine({ version, node, at, pair }: RecordedDecision): string {
  const { view } = pair;
  // The other events would be most of the line, and no decision reads them.
  const events = [lastGrantOf(view.dcs.events)].filter((event) => event !== null);
  return exactJson({
    format: FORMAT,
    version,
    node,
    at,
    ...pair,
    view: { ...view, dcs: { ...view.dcs, events } },
  });
}

/** Throws an Error that says what is wrong with the line. The view itself is taken as it is. */
export function readRecord(line: string): RecordedDecision {
  const value = fromExactJson(line);
  if (typeof value !== "object" || value === null) throw new Error("it is no record of a decision");
  const { format, version, node, at, ...pair } = value as { [key: string]: unknown };
  if (format !== FORMAT) throw new Error(`it has format ${String(format)}, and this version reads ${FORMAT}`);
  const { by, view, decision, duties } = pair;
  const isPair = (by === "keeper" && Array.isArray(duties)) || by === "coordinator";
  if (!isPair || !isObject(view) || !isObject(decision)) throw new Error("it is no record of a decision");
  return {
    version: String(version),
    node: String(node),
    at: String(at),
    pair: pair as unknown as DecisionPair,
  };
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** Throws whatever the rules throw for a view that is none. */
export function decideAnew(pair: DecisionPair): DecidedAnew {
  return pair.by === "keeper"
    ? { decision: keep(pair.view), duties: duties(pair.view) }
    : { decision: coordinate(pair.view), duties: [] };
}

/** null: it is decided as it was. The order of keys makes no difference. */
export function differsFrom(pair: DecisionPair): DecidedAnew | null {
  const anew = decideAnew(pair);
  const before = { decision: pair.decision, duties: pair.by === "keeper" ? pair.duties : [] };
  const isSame = exactJson(before) === exactJson(anew) ||
    exactJson(sorted(before)) === exactJson(sorted(anew));
  return isSame ? null : anew;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value) || value instanceof Map) return value;
  const entries = Object.entries(value as object).map(([key, inner]) => [key, sorted(inner)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => a < b ? -1 : 1));
}
