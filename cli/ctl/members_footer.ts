/** The lines below the table of members: what concerns the whole cluster, and what is not well. */
import type {
  ClusterJson,
  ClusterMemberJson,
  CopyJson,
  LeadFailureJson,
  SlotAtRiskJson,
} from "../../src/api/client.ts";
import type { Ailment } from "../../src/model/ailment.ts";
import { endText } from "../../src/model/certificate.ts";
import { describeCopy } from "../../src/model/copy_status.ts";
import type { LastStop } from "../../src/model/last_stop.ts";
import type { SyncTrouble, SyncTroubleKind } from "../../src/model/sync_trouble.ts";
import { staleText } from "./stale.ts";

/** The voters beside the members, and how many voters may fail. Members of an older version do not say. */
export function quorumLines({ agent }: ClusterJson): string[] {
  const witnesses = agent?.witnesses ?? [];
  return [
    ...(witnesses.length > 0 ? [` Witness: ${witnesses.join(", ")}`] : []),
    ...(typeof agent?.can_lose === "number" ? [` Quorum: can lose ${agent.can_lose} more`] : []),
  ];
}

/** Its PostgreSQL was stopped, and does not run again. */
export function isStopped({ agent }: ClusterMemberJson): boolean {
  return agent?.last_stop?.over === false;
}

export function stopText({ steps, why, at }: LastStop): string {
  return `${why} (${steps.join(", ")} since ${at})`;
}

function failureText({ why, times, at, sits_out }: LeadFailureJson): string {
  const often = times > 1 ? `${times} times, last at ${at}` : at;
  return `${why} (${often})${sits_out ? ": others come first for a while" : ""}`;
}

export function ailmentText({ cause, severity, since, detail }: Ailment): string {
  return `${cause} (${severity} since ${since}): ${detail}`;
}

/** A kind of a later version has none here. */
const TROUBLE_TITLES: { readonly [kind: string]: string } = {
  "writes-blocked": "Writes wait",
  "too-few-members": "Synchronous mode",
  "name-clash": "Name clash",
  "commits-exempt": "Not promised",
} satisfies { readonly [kind in SyncTroubleKind]: string };

export function troubleCell({ kind, since, detail }: SyncTrouble): string {
  return `${kind} (since ${since}): ${detail}`;
}

function troubleText(member: string, { kind, since, detail }: SyncTrouble): string {
  return ` ${TROUBLE_TITLES[kind] ?? "Synchronous mode"}: ${member}, since ${since}: ${detail}`;
}

function riskText({ held_bytes, safe_bytes }: SlotAtRiskJson): string {
  const gib = (bytes: number) => `${(Math.max(0, bytes) / 2 ** 30).toFixed(1)} GiB`;
  return safe_bytes === null
    ? "has lost the WAL that it needs: its user has to begin anew"
    : `holds ${gib(held_bytes)} of WAL, and loses it when ${gib(safe_bytes)} more are written`;
}

export function copyText({ from, by, done_bytes, total_bytes, bytes_per_second }: CopyJson): string {
  return describeCopy({
    from,
    ...(by === undefined ? {} : { by }),
    doneBytes: done_bytes,
    totalBytes: total_bytes,
    bytesPerSecond: bytes_per_second,
  });
}

export function clockText(offS: number): string {
  return `${Math.abs(offS)} s ${offS > 0 ? "ahead of" : "behind"} the time of day`;
}

export function footer(
  { members, pause, failsafe_mode_is_active: failsafe, scheduled_switchover: scheduled, agent }: ClusterJson,
  extended: boolean,
): string[] {
  const lines: string[] = [];
  const until = agent?.pause_until;
  if (pause) lines.push(` Maintenance mode: on${until === undefined ? "" : `, until ${until}`}`);
  if (failsafe) lines.push(" Failsafe mode: active");
  if (agent?.operator_needed !== undefined) lines.push(` Operator needed: ${agent.operator_needed}`);
  if (agent?.failover_waits_s !== undefined) {
    lines.push(` Failover: waits ${agent.failover_waits_s} s until the primary has followed the lower ttl`);
  }
  if (agent?.failsafe_lacks !== undefined) lines.push(` Failsafe mode: ${agent.failsafe_lacks}`);
  if (scheduled) {
    lines.push(` Switchover scheduled at: ${scheduled.at}`);
    if (scheduled.from !== undefined) lines.push(`${"from".padStart(24)}: ${scheduled.from}`);
    if (scheduled.to !== undefined) lines.push(`${"to".padStart(24)}: ${scheduled.to}`);
  }
  for (const { name, agent: own } of members) {
    if (own?.last_state === undefined) continue;
    lines.push(` Unknown: ${name} does not answer, ${own.last_state} ${own.last_state_s} s ago`);
  }
  for (const { name, agent: own } of members) {
    if (own?.copy !== undefined) lines.push(` Copying: ${name} ${copyText(own.copy)}`);
    if (own?.copy_failed !== undefined) lines.push(` Copy failed: ${name}: ${own.copy_failed}`);
    if (own?.needs_reinit !== undefined) lines.push(` Needs reinit: ${name}: ${own.needs_reinit}`);
    for (const slot of own?.slots_at_risk ?? []) {
      lines.push(` Slot: ${slot.name} on ${name} ${riskText(slot)}`);
    }
  }
  for (const { name, agent: own } of members) {
    for (const ailment of own?.ailments ?? []) lines.push(` Ailing: ${name}, ${ailmentText(ailment)}`);
    for (const trouble of own?.sync_troubles ?? []) lines.push(troubleText(name, trouble));
  }
  for (const { name, agent: own } of members) {
    if (own?.clock_off_s === undefined) continue;
    lines.push(
      ` Clock: ${name} is ${clockText(own.clock_off_s)} that ${agent?.answered_by ?? "others"} goes by`,
    );
  }
  for (const member of members) {
    const stop = member.agent?.last_stop;
    if (stop === undefined || !(extended || isStopped(member))) continue;
    lines.push(` ${stop.over ? "Last stop" : "Stopped"}: ${member.name}, ${stopText(stop)}`);
  }
  for (const { name, agent: own } of members) {
    if (own?.lead_failure !== undefined) {
      lines.push(` Cannot lead: ${name}, ${failureText(own.lead_failure)}`);
    }
  }
  for (const { name, agent: own } of members) {
    const refused = own?.reload_refused;
    if (refused === undefined) continue;
    lines.push(` Reload refused: ${name} goes on with what it had, ${refused.why} (${refused.at})`);
  }
  lines.push(...certificateLines(members, agent?.witness_certificates_ending ?? []));
  for (const { name, last_seen_s } of agent?.unreachable ?? []) {
    lines.push(` Unreachable: ${name}${last_seen_s === null ? "" : `, last seen ${last_seen_s} s ago`}`);
  }
  const stale = staleText({ agent });
  if (stale !== null) lines.push(` Stale: ${stale}`);
  return lines;
}

function certificateLines(
  members: readonly ClusterMemberJson[],
  ofWitnesses: NonNullable<NonNullable<ClusterJson["agent"]>["witness_certificates_ending"]>,
): string[] {
  const ofMembers = members.flatMap(({ name, agent }) =>
    (agent?.certificates_ending ?? []).map((one) => ({ name, ...one }))
  );
  return [...ofMembers, ...ofWitnesses.map(({ witness, ...one }) => ({ name: witness, ...one }))].map((
    { name, key, ends },
  ) => ` Certificate: ${name}, ${key} ${endText(ends, Date.now())} (${ends})`);
}
