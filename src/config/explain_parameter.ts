/** Explains a parameter of PostgreSQL: layers of the cluster and of the file, for every role and for one. */
import { describeIssue } from "./issues.ts";
import type { Json, JsonObject } from "../model/json.ts";
import { isJsonObject } from "../model/merge.ts";
import { effectiveDynamic } from "./dynamic.ts";
import type { ExplainInput, Explanation } from "./explanation.ts";
import { CONTROLLED_PARAMETERS, isControlled } from "./guc.ts";
import { roleKeys } from "./roles.ts";
import { type Layer, layerOf, valueAt } from "./written.ts";

const OF_THE_AGENT =
  /^(?:listen_addresses|port|cluster_name|primary_conninfo|primary_slot_name|recovery_target.*)$/;

export function explainParameter(name: string, input: ExplainInput): Explanation {
  const { local, dcs, role, pendingRestart } = input;
  const lower = name.toLowerCase();
  const { config: { postgresql }, issues } = effectiveDynamic(dcs ?? {}, local);
  const found = layersOf(lower, input);
  const controlled = CONTROLLED_PARAMETERS.find((one) => one.name === lower);
  const inForce = (values: { readonly [name: string]: string }) =>
    Object.entries(values).find(([one]) => one.toLowerCase() === lower)?.[1];
  const waits = Object.entries(pendingRestart ?? {}).find(([one]) => one.toLowerCase() === lower)?.[1];
  const configured = inForce(postgresql.recoveryConf) ?? inForce(postgresql.controlled) ??
    inForce(postgresql.roles[role].parameters) ?? null;
  const { why, layers } = judged(lower, found, controlled?.default ?? null, input);
  return {
    key: `postgresql.parameters.${name}`,
    value: OF_THE_AGENT.test(lower) ? ownValue(lower, input) : waits?.old_value ?? configured,
    layers,
    why,
    afterRestart: waits?.new_value ?? null,
    notes: issues.filter(({ path }) => path.toLowerCase().endsWith(`.${lower}`)).map(describeIssue),
  };
}

interface Judged {
  readonly layers: readonly Layer[];
  readonly why: string;
}

function judged(
  lower: string,
  found: readonly Layer[],
  standard: string | null,
  { role }: ExplainInput,
): Judged {
  const none = found.map((layer) => ({ ...layer, counts: false }));
  if (OF_THE_AGENT.test(lower)) return { layers: none, why: "the agent decides it, and nothing else counts" };
  const may = isControlled(lower)
    ? found.filter(({ source, place }) => source === "dynamic" && place?.startsWith("postgresql.parameters."))
    : found;
  const winner = may.at(-1);
  const layers = found.map((layer) => ({ ...layer, counts: layer === winner }));
  const byDefault = lower === "wal_keep_size" ? "128MB" : standard;
  const all: Layer[] = byDefault === null
    ? layers
    : [{ source: "default", place: null, value: byDefault, counts: winner === undefined }, ...layers];
  return { layers: all, why: whyOf(lower, winner, role) };
}

function whyOf(lower: string, winner: Layer | undefined, role: string): string {
  if (isControlled(lower)) {
    const equal = "it must be equal on all members, so only the dynamic configuration counts";
    return winner === undefined ? `${equal}, which does not have it` : equal;
  }
  if (winner === undefined) {
    return "nothing configures it: PostgreSQL's own default counts, or postgresql.base.conf";
  }
  if (winner.place?.includes("recovery_conf")) return "recovery_conf comes before parameters";
  if (winner.place?.includes(`parameters_${role}`)) {
    return `what is configured for the role ${role} comes before what is for every role`;
  }
  return winner.source === "dynamic"
    ? "the dynamic configuration has it, and nothing stronger does"
    : "the member's own file and environment come before the dynamic configuration";
}

/** From weak to strong. A map of the file's `recovery_conf` replaces that of the cluster whole. */
function layersOf(lower: string, { dcs, written, role }: ExplainInput): Layer[] {
  const of = (section: string) => [
    ...dynamicLayer(dcs ?? {}, section, lower),
    ...writtenLayer(written, section, lower),
  ];
  const recovery = isJsonObject(valueAt(written.value, ["postgresql", "recovery_conf"]))
    ? writtenLayer(written, "recovery_conf", lower)
    : dynamicLayer(dcs ?? {}, "recovery_conf", lower);
  return [...of("parameters"), ...of(roleKeys(role).parameters), ...recovery];
}

function dynamicLayer(dcs: JsonObject, section: string, lower: string): Layer[] {
  const map = valueAt(dcs, ["postgresql", section]);
  return namesIn(map, lower).map((name) => ({
    source: "dynamic",
    place: `postgresql.${section}.${name}`,
    value: (map as JsonObject)[name]!,
    counts: true,
  }));
}

function writtenLayer(written: ExplainInput["written"], section: string, lower: string): Layer[] {
  return namesIn(valueAt(written.value, ["postgresql", section]), lower).map((name) => {
    const layer = layerOf(written, ["postgresql", section, name])!;
    const key = `postgresql.${section}.${name}`;
    return { ...layer, place: layer.place === null ? key : `${layer.place} (${key})` };
  });
}

function namesIn(map: Json | undefined, lower: string): string[] {
  if (!isJsonObject(map)) return [];
  return Object.keys(map).filter((name) => name.toLowerCase() === lower && map[name] !== null);
}

/** Those of recovery differ with what the server follows: they are shown by `agent ctl topology`. */
function ownValue(lower: string, { local }: ExplainInput): Json {
  if (lower === "cluster_name") return local.scope;
  if (lower === "port") return local.postgresql?.port ?? null;
  return lower === "listen_addresses" ? local.postgresql?.listenAddresses.join(",") ?? null : null;
}
