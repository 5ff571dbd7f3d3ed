/**
 * The event that an applied command is: it costs the log nothing, and cannot be lost beside its change.
 * Deterministic like the rest of the state machine, and judged by the version at the entry's place: the texts
 * and kinds of an entry may not change afterwards.
 */
import type { EventDraft } from "../model/event.ts";
import type { JsonObject } from "../model/json.ts";
import { type DcsState, type FailoverRecord, knownMember, scheduledRestartOf } from "../model/records.ts";
import type { Command } from "./command.ts";
import { isSameMember } from "./member_record.ts";

/** `untyped`: its text where events have no kinds; null: it was no event there. @default `text` */
export type CommandEvent = EventDraft & { readonly untyped?: string | null };

/** `before`: the records that the command was applied to; it was not refused. null: nothing to tell. */
export function commandEvent(before: DcsState, command: Command, index: number): CommandEvent | null {
  switch (command.op) {
    case "claimInitialize":
    case "completeInitialize":
    case "clearInitialize":
      return ofBootstrap(command);
    case "setConfig":
      return ofConfig(before, command, index);
    case "grant":
    case "expire":
    case "release":
    case "setUnfenced":
      return ofLock(before, command);
    case "setFailover":
    case "acceptFailover":
    case "endFailover":
      return ofRequest(before, command);
    case "setRestart":
    case "endRestart":
      return ofRestart(before, command);
    case "setMember":
    case "dropMember":
      return ofMember(before, command);
    case "setFailsafe":
    case "endFailsafe":
      return ofFailsafe(before, command);
    case "setSync":
      return ofSync(command);
    case "setTtl": {
      const text = `ttl: grant ${command.grantMs} ms, wait ${command.waitMs} ms`;
      return { kind: "ttl-changed", member: command.by, text };
    }
    case "addHistory":
    case "addEvents":
      return null;
  }
}

type Of<Op extends Command["op"]> = Extract<Command, { op: Op }>;

function ofBootstrap(
  command: Of<"claimInitialize" | "completeInitialize" | "clearInitialize">,
): CommandEvent {
  const { op, by } = command;
  if (op === "claimInitialize") {
    return { kind: "bootstrap-began", member: by, text: `${by} bootstraps a new cluster` };
  }
  if (op === "clearInitialize") {
    return { kind: "bootstrap-abandoned", member: command.of, text: `bootstrap by ${command.of} given up` };
  }
  const text = `cluster initialized, system identifier ${command.systemId}`;
  return { kind: "bootstrap-done", member: by, text };
}

function ofConfig({ config }: DcsState, { by, value }: Of<"setConfig">, index: number): CommandEvent {
  const former = config?.value ?? {};
  const names = changedNames(former, value);
  const facts = { revision: index };
  const untyped = "configuration changed";
  const isPauseOnly = names.every((name) => name === "pause" || name === "pause_until");
  if (isPauseOnly && (former.pause === true) !== (value.pause === true)) {
    const end = typeof value.pause_until === "string" ? `, until ${value.pause_until}` : "";
    return value.pause === true
      ? { kind: "paused", member: by, text: `maintenance mode (pause) begins${end}`, facts, untyped }
      : { kind: "resumed", member: by, text: "maintenance mode (pause) ends", facts, untyped };
  }
  const text = config === null
    ? "first configuration"
    : `configuration changed: ${names.join(", ") || "nothing"}`;
  return { kind: "config-changed", member: by, text, facts, untyped };
}

function changedNames(a: JsonObject, b: JsonObject): string[] {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names.filter((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]));
}

function ofLock(
  { lock }: DcsState,
  command: Of<"grant" | "expire" | "release" | "setUnfenced">,
): CommandEvent {
  const { op, epoch } = command;
  if (op === "grant") {
    const text = `lock granted to ${command.holder}, epoch ${epoch}: ${command.reason}`;
    return { kind: "lock-granted", member: command.holder, text, facts: { epoch } };
  }
  const member = lock.holder ?? command.by;
  if (op === "setUnfenced") {
    return command.unfenced
      ? { kind: "fence-lifted", member, text: `epoch ${epoch} unfenced (pause)`, facts: { epoch } }
      : { kind: "fence-restored", member, text: `epoch ${epoch} fenced again`, facts: { epoch } };
  }
  const how = op === "expire" ? "expired" : "released";
  const text = `lock of ${lock.holder}, epoch ${lock.epoch}, ${how}: ${command.reason}`;
  if (op === "expire") return { kind: "lock-expired", member, text, facts: { epoch } };
  const { lsn, timeline } = command;
  const facts = { epoch, ...(timeline === null ? {} : { timeline }), ...(lsn === null ? {} : { lsn }) };
  return { kind: "lock-released", member, text, facts };
}

function ofRequest(
  { failover, lock }: DcsState,
  command: Of<"setFailover" | "acceptFailover" | "endFailover">,
): CommandEvent {
  if (command.op === "setFailover") {
    const { record } = command;
    const { kind, leader, candidate, id } = record;
    return {
      kind: kind === "switchover" ? "switchover-requested" : "failover-requested",
      member: leader ?? lock.holder ?? candidate ?? command.by,
      text: requested(record),
      facts: { request: id, ...(candidate === null ? {} : { other: candidate }) },
    };
  }
  const { id: request } = command;
  const { kind, candidate, accepted, epoch } = failover!;
  const member = lock.holder ?? command.by;
  if (command.op === "acceptFailover") {
    const text = `${kind} accepted: to ${candidate ?? "any"}`;
    return { kind: "request-accepted", member, text, facts: { request, epoch: lock.epoch }, untyped: null };
  }
  const text = `${kind} ${command.ok ? "done" : "ended"}: ${command.text}`;
  const facts = { request, ...(accepted ? { epoch } : {}) };
  return { kind: command.ok ? "request-done" : "request-failed", member, text, facts };
}

function requested({ kind, leader, candidate, scheduledAt }: FailoverRecord): string {
  const when = scheduledAt === null ? "" : ` at ${scheduledAt}`;
  return `${kind} requested: from ${leader ?? "any"} to ${candidate ?? "any"}${when}`;
}

function ofRestart(before: DcsState, command: Of<"setRestart" | "endRestart">): CommandEvent {
  const { member, id: request } = command;
  if (command.op === "setRestart") {
    const text = `restart of ${member} scheduled at ${command.restart.schedule}`;
    return { kind: "restart-scheduled", member, text, facts: { request } };
  }
  const schedule = scheduledRestartOf(before, member)?.schedule;
  const text = `restart of ${member} scheduled at ${schedule}: ${command.text}`;
  return { kind: "restart-schedule-ended", member, text, facts: { request } };
}

function ofMember(before: DcsState, command: Of<"setMember" | "dropMember">): CommandEvent | null {
  if (command.op === "dropMember") {
    return { kind: "member-removed", member: command.name, text: `member ${command.name} was removed` };
  }
  const { name } = command.facts;
  const known = knownMember(before, name);
  if (known === undefined) {
    return { kind: "member-joined", member: name, text: `member ${name} joined`, untyped: null };
  }
  if (isSameMember(known, command.facts)) return null;
  return {
    kind: "member-replaced",
    member: name,
    text: `another machine is the member ${name} from now on`,
  };
}

function ofFailsafe({ failsafe }: DcsState, command: Of<"setFailsafe" | "endFailsafe">): CommandEvent {
  const { by: member } = command;
  const epoch = failsafe?.epoch ?? 0;
  if (command.op === "endFailsafe") {
    const text = `failsafe set of epoch ${epoch} ended: ${member} agrees to no more of its leases`;
    return { kind: "failsafe-ended", member, text, facts: { epoch } };
  }
  const { members } = command;
  if (members === null) {
    return {
      kind: "failsafe-ended",
      member,
      text: `failsafe set of epoch ${epoch} removed`,
      facts: { epoch },
    };
  }
  const text = `failsafe set of epoch ${command.epoch}: ${Object.keys(members).sort().join(", ")}`;
  return { kind: "failsafe-changed", member, text, facts: { epoch: command.epoch } };
}

function ofSync({ by: member, epoch, leader, syncStandby, quorum }: Of<"setSync">): CommandEvent {
  const facts = { epoch };
  if (leader === null) {
    return { kind: "sync-ended", member, text: "replication is asynchronous from now on", facts };
  }
  const names = [...syncStandby].sort().join(", ");
  const needed = quorum === 0 ? "" : `; ${quorum + 1} of them are needed for a failover`;
  const text = names === ""
    ? `no synchronous standby: only ${leader} may get the lock next`
    : `synchronous standbys: ${names}${needed}`;
  return { kind: "sync-standbys-changed", member, text, facts };
}
