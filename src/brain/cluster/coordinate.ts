/**
 * The decisions of the cluster, made on the raft leader only: expire, grant, answer requests, change ttl step
 * by step, place the raft leader. Pure: a view in, commands with a reason out. The table is ordered by
 * urgency, and the first rule that applies decides. Nothing is granted unless the lock is free in the applied
 * records; the state machine checks the same again.
 */
import type { CommandBody, SyncGrounds } from "../../dcs/commands.ts";
import { withoutPause } from "../../model/pause_end.ts";
import { longestWaitMs } from "../../lease/renewal.ts";
import { knownMember } from "../../model/records.ts";
import { isPromised } from "../../sync/record.ts";
import { firstOf, type Rule } from "../rule.ts";
import { answerRequest } from "./request.ts";
import { isMember, namesCandidate } from "./candidate.ts";
import { serves } from "./serves.ts";
import { chooseSuccessor } from "./successor.ts";
import { FRESH_MS } from "./successor_view.ts";
import { groundsFor } from "./sync_grounds.ts";
import { type ClusterView, freshStatus, statusOf } from "./view.ts";

/** A bootstrap whose member is silent for this long is given up, so that another member can try. */
const BOOTSTRAP_SILENCE_MS = 10_000;

/** A decision, before the name of its rule is put to it. */
interface Outcome {
  readonly reason: string;
  readonly commands: readonly CommandBody[];
  /** Member to hand raft leadership to. */
  readonly transferTo: string | null;
}

export interface ClusterDecision extends Outcome {
  /** The rule that decided, by its name in docs/decisions.md. */
  readonly rule: string;
}

const decide = (reason: string, ...commands: CommandBody[]): Outcome => ({
  reason,
  commands,
  transferTo: null,
});

function expire({ expiryDue, dcs }: ClusterView): Outcome | null {
  if (!expiryDue) return null;
  const { lock } = dcs;
  const reason = `${lock.holder} has not renewed for ${longestWaitMs(dcs) / 1000} s`;
  return decide(reason, { op: "expire", epoch: lock.epoch, reason });
}

function changeTtl({ nextTtl, dcs }: ClusterView): Outcome | null {
  if (nextTtl === null) return null;
  return decide("ttl changes", {
    op: "setTtl",
    epoch: dcs.lock.epoch,
    free: dcs.lock.holder === null,
    expectGrantMs: dcs.grantTtlMs,
    expectWaitMs: dcs.waitTtlMs,
    ...nextTtl,
  });
}

function abandonBootstrap(view: ClusterView): Outcome | null {
  const { initialize, lock } = view.dcs;
  if (initialize === null || initialize.systemId !== "" || lock.holder !== null) return null;
  const seen = statusOf(view, initialize.by);
  const restarted = seen !== undefined && seen.status.incarnation !== initialize.incarnation;
  const silentMs = seen?.ageMs ?? view.leadingForMs;
  if (!restarted && silentMs < BOOTSTRAP_SILENCE_MS) return null;
  const { by: of, incarnation } = initialize;
  return decide("bootstrap abandoned", { op: "clearInitialize", of, incarnation });
}

/** As `agent ctl resume` would, by the clock of the raft leader. */
function endPause({ dcs: { config }, dynamic: { pause, pauseUntil }, wallMs }: ClusterView): Outcome | null {
  if (!pause || pauseUntil === null || config === null || wallMs < Date.parse(pauseUntil)) return null;
  const value = withoutPause(config.value);
  return decide(`the pause was to end at ${pauseUntil}`, {
    op: "setConfig",
    value,
    expectRevision: config.revision,
  });
}

function request(view: ClusterView): Outcome | null {
  const answer = answerRequest(view);
  return answer === null ? null : decide(`${view.dcs.failover!.kind} request`, answer);
}

/**
 * An unfenced epoch (pause) never ends by itself, since its primary may well live: only an operator's
 * failover ends it.
 */
function forceExpiry({ dcs, leaseOver }: ClusterView): Outcome | null {
  const { failover, lock } = dcs;
  if (lock.holder === null || !lock.unfenced || !leaseOver) return null;
  if (failover === null || !failover.accepted || failover.kind !== "failover") return null;
  const silent = `${lock.holder} has not renewed for ${longestWaitMs(dcs) / 1000} s`;
  const reason = `an operator asked for a failover, and ${silent}`;
  return decide(reason, { op: "expire", epoch: lock.epoch, reason, forced: true });
}

function grant(view: ClusterView): Outcome | null {
  const { dcs } = view;
  if (dcs.lock.holder !== null) return null;
  const choice = chooseSuccessor(view);
  if (choice.kind === "wait") return decide(choice.reason);
  const { life } = knownMember(dcs, choice.to) ?? {};
  if (life === undefined) return decide(`${choice.to} has not joined yet`);
  return decide(choice.reason, {
    op: "grant",
    epoch: dcs.lock.epoch + 1,
    holder: choice.to,
    life,
    reason: choice.reason,
    complete: choice.complete,
    ...grounds(choice.to, view),
  });
}

/** What says that it has everything that was acknowledged; the records refuse a grant without it. */
function grounds(to: string, view: ClusterView): { readonly sync?: SyncGrounds } {
  if (!isPromised(view.dcs.sync)) return {};
  const status = statusOf(view, to)?.status;
  const found = status === undefined ? null : groundsFor(status, view);
  if (found !== null) return { sync: found };
  const { failover } = view.dcs;
  const isNamed = failover?.accepted === true && namesCandidate(failover) && failover.candidate === to;
  const token = status?.dataToken;
  return isNamed ? { sync: { by: "operator", votes: [], ...(token === undefined ? {} : { token }) } } : {};
}

/**
 * The raft leader is kept off the primary's host: then the death of that host costs neither an election nor a
 * new full ttl. Safety does not rest on it.
 */
function placeLeader(view: ClusterView): Outcome | null {
  if (view.dcs.lock.holder !== view.self || view.dcs.failover !== null) return null;
  const own = freshStatus(view, view.self);
  if (own === null || !serves(own, view)) return null;
  const [transferTo] = view.statuses.filter((seen) =>
    seen.ageMs < FRESH_MS && isMember(seen, view) && seen.status.name !== view.self &&
    !seen.status.shuttingDown
  ).map((seen) => seen.status.name).sort();
  if (transferTo === undefined) return null;
  const reason = `raft leadership moves to ${transferTo}, off the primary's host`;
  return { reason, commands: [], transferTo };
}

/** All rules, most urgent first. */
export const CLUSTER_RULES: readonly Rule<ClusterView, Outcome>[] = [
  {
    name: "expire",
    when: "The holder of the lock has not renewed for longer than its lease can last anywhere.",
    then: "Ends its epoch.",
    decide: expire,
  },
  {
    name: "change-ttl",
    when: "The configured ttl is not the one in force, and its next step is safe.",
    then: "Takes that step.",
    decide: changeTtl,
  },
  {
    name: "abandon-bootstrap",
    when: `The member that bootstraps was started anew, or has been silent for ${
      BOOTSTRAP_SILENCE_MS / 1000
    } s.`,
    then: "Takes its claim away, so that another one can bootstrap.",
    decide: abandonBootstrap,
  },
  {
    name: "end-pause",
    when: "The time that a pause was asked for is over.",
    then: "Ends it, as `agent ctl resume` does.",
    decide: endPause,
  },
  {
    name: "answer-request",
    when: "A switchover or failover on record can be answered.",
    then: "Accepts it, refuses it with a reason, or says how it ended.",
    decide: request,
  },
  {
    name: "force-expiry",
    when: "In pause, an accepted failover meets an unfenced epoch whose holder does not renew.",
    then: "Ends that epoch.",
    decide: forceExpiry,
  },
  {
    name: "grant",
    when: "The lock is free.",
    then: "Grants it to the member that would lose least, or waits until that is known.",
    decide: grant,
  },
  {
    name: "place-leader",
    when: "The raft leader runs on the primary's host, and another member is in contact.",
    then: "Moves raft leadership to that member.",
    decide: placeLeader,
  },
];

/** The decision when no rule applies: somebody holds the lock, and all is as it should be. */
export const HELD = "held";

export function coordinate(view: ClusterView): ClusterDecision {
  const first = firstOf(CLUSTER_RULES, view);
  if (first !== null) return { rule: first.rule.name, ...first.outcome };
  return { rule: HELD, ...decide(`lock is held by ${view.dcs.lock.holder}`) };
}
