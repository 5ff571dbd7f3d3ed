/**
 * The decisions of the cluster, made on the raft leader only: expire, grant, answer requests, change ttl step by
 * step, place the raft leader. Pure: a view in, commands with a reason out. It grants nothing unless the lock is
 * free in the applied records; the state machine checks the same again.
 */
import type { CommandBody } from "../dcs/commands.ts";
import { longestWaitMs } from "../dcs/lease.ts";
import type { MemberStatus } from "../model/member_status.ts";
import { knownMember } from "../model/records.ts";
import {
  chooseSuccessor,
  FRESH_MS,
  ineligible,
  isMember,
  lagsTooFar,
  namesCandidate,
  type SeenStatus,
  type SuccessorView,
} from "./successor.ts";

/** A bootstrap whose member is silent for this long is given up, so that another member can try. */
const BOOTSTRAP_SILENCE_MS = 10_000;
/** A request whose candidates merely lag is refused after this long. */
const LAG_LASTS_MS = 1500;
/** One whose candidates do not stream: a WAL receiver comes back after wal_retrieve_retry_interval, 5 s by default. */
const NO_STREAM_LASTS_MS = 6500;
/** After this long an accepted switchover for which the primary did not step down, since nobody streams, is over. */
const ACCEPTED_LASTS_MS = 15_000;

export interface ClusterView extends SuccessorView {
  readonly self: string;
  readonly wallMs: number;
  /** The lease of the current epoch has run out on our clock, and expire(e) has not been proposed yet. */
  readonly expiryDue: boolean;
  /** The lease has run out, whether or not the epoch may be expired. */
  readonly leaseOver: boolean;
  /** Next step of a change of ttl; null: none is due. */
  readonly nextTtl: { readonly grantMs: number; readonly waitMs: number } | null;
  /** ms since any status of the member that bootstraps; null: never seen by this leader. */
  readonly leadingForMs: number;
  /** How long this leader has known the request that is on record; 0: none. */
  readonly requestForMs: number;
}

export interface ClusterDecision {
  readonly commands: readonly CommandBody[];
  /** Member to hand raft leadership to. */
  readonly transferTo: string | null;
  readonly reason: string;
}

export function coordinate(view: ClusterView): ClusterDecision {
  const { dcs } = view;
  const { lock } = dcs;
  const decide = (reason: string, ...commands: CommandBody[]): ClusterDecision => ({
    commands,
    transferTo: null,
    reason,
  });

  if (view.expiryDue) {
    const reason = `${lock.holder} has not renewed for ${longestWaitMs(dcs) / 1000} s`;
    return decide(reason, { op: "expire", epoch: lock.epoch, reason });
  }
  if (view.nextTtl !== null) {
    return decide("ttl changes", {
      op: "setTtl",
      epoch: lock.epoch,
      free: lock.holder === null,
      expectGrantMs: dcs.grantTtlMs,
      expectWaitMs: dcs.waitTtlMs,
      ...view.nextTtl,
    });
  }
  const abandoned = abandonedBootstrap(view);
  if (abandoned !== null) return decide("bootstrap abandoned", abandoned);
  const request = answerRequest(view);
  if (request !== null) return decide(`${dcs.failover!.kind} request`, request);
  if (forcedExpiry(view)) {
    const reason = `an operator asked for a failover, and ${lock.holder} has not renewed for ${
      longestWaitMs(dcs) / 1000
    } s`;
    return decide(reason, { op: "expire", epoch: lock.epoch, reason, forced: true });
  }
  if (lock.holder === null) {
    const choice = chooseSuccessor(view);
    if (choice.kind === "wait") return decide(choice.reason);
    const { life } = knownMember(dcs, choice.to) ?? {};
    if (life === undefined) return decide(`${choice.to} has not joined yet`);
    return decide(choice.reason, {
      op: "grant",
      epoch: lock.epoch + 1,
      holder: choice.to,
      life,
      reason: choice.reason,
      complete: choice.complete,
    });
  }
  const transferTo = placeLeader(view);
  if (transferTo !== null) {
    return {
      commands: [],
      transferTo,
      reason: `raft leadership moves to ${transferTo}, off the primary's host`,
    };
  }
  return decide(`lock is held by ${lock.holder}`);
}

/** An unfenced epoch (pause) never ends by itself, since its primary may well live: only an operator's failover ends it. */
function forcedExpiry(view: ClusterView): boolean {
  const { failover, lock } = view.dcs;
  return lock.holder !== null && lock.unfenced && view.leaseOver && failover !== null && failover.accepted &&
    failover.kind === "failover";
}

function statusOf(view: ClusterView, name: string | null): SeenStatus | undefined {
  return view.statuses.find((seen) => seen.status.name === name);
}

function freshStatus(view: ClusterView, name: string | null): MemberStatus | null {
  const seen = statusOf(view, name);
  return seen !== undefined && seen.ageMs < FRESH_MS ? seen.status : null;
}

function abandonedBootstrap(view: ClusterView): CommandBody | null {
  const { initialize, lock } = view.dcs;
  if (initialize === null || initialize.systemId !== "" || lock.holder !== null) return null;
  const seen = statusOf(view, initialize.by);
  const restarted = seen !== undefined && seen.status.incarnation !== initialize.incarnation;
  const silentMs = seen?.ageMs ?? view.leadingForMs;
  if (!restarted && silentMs < BOOTSTRAP_SILENCE_MS) return null;
  return { op: "clearInitialize", of: initialize.by, incarnation: initialize.incarnation };
}

/** Accepts, refuses or completes the switchover or failover that is on record; null: nothing to say now. */
function answerRequest(view: ClusterView): CommandBody | null {
  const { failover, lock, initialize } = view.dcs;
  if (failover === null) return null;
  const end = (ok: boolean, text: string): CommandBody => ({ op: "endFailover", id: failover.id, ok, text });
  const title = failover.kind === "switchover" ? "Switchover" : "Failover";

  if (failover.accepted) {
    // Somebody was granted the lock for it and has lost it again: the request has had its try.
    if (lock.holder === null && lock.epoch > failover.epoch) {
      return end(false, `${title} failed: ${lock.lastHolder} could not take over (${lock.reason})`);
    }
    // Done when somebody holds the lock and can write under it: the outcome, whoever it is.
    const holder = freshStatus(view, lock.holder);
    if (holder === null || !holder.writable || !holder.running || holder.epochSeen !== lock.epoch) {
      return null;
    }
    const from = failover.leader;
    if (holder.name === from) {
      if (!requestStillPending(view)) return end(false, `${title} failed: ${from} is the leader again`);
      // It does not step down for one that does not stream, and a stream that is gone for good is not waited for.
      const some = view.statuses.some((seen) =>
        seen.ageMs < FRESH_MS && streams(seen.status, view) &&
        (failover.candidate === null || failover.candidate === seen.status.name)
      );
      if (failover.kind === "failover" || some || view.requestForMs < ACCEPTED_LASTS_MS) return null;
      const whom = failover.candidate ?? "no other member";
      return end(false, `${title} failed: ${whom} does not stream from ${from} any more`);
    }
    if (failover.kind === "switchover" && !lock.cleanStart) {
      return end(
        false,
        `${title} failed: ${from} ended before it had stopped cleanly, ${holder.name} took over`,
      );
    }
    if (failover.candidate === null || failover.candidate === holder.name) {
      return end(
        true,
        `Successfully ${failover.kind === "switchover" ? "switched" : "failed"} over to "${holder.name}"`,
      );
    }
    if (from === null && requestStillPending(view)) return null;
    return end(
      true,
      `${
        failover.kind === "switchover" ? "Switched" : "Failed"
      } over to "${holder.name}" instead of "${failover.candidate}"`,
    );
  }
  if (initialize === null || initialize.systemId === "") {
    return end(false, `${title} is not possible: the cluster is not initialized`);
  }
  if (failover.scheduledAt !== null) {
    const lateMs = view.wallMs - Date.parse(failover.scheduledAt);
    const loopMs = view.dynamic.loopWaitS * 1000;
    if (Number.isNaN(lateMs)) return end(false, `${title} is dropped: "${failover.scheduledAt}" is no time`);
    if (lateMs > 1.5 * loopMs) {
      return end(false, `${title} was scheduled for ${failover.scheduledAt} and is dropped: it is too late`);
    }
    if (lateMs < 0) return null;
  }
  if (failover.kind === "switchover" && failover.leader !== lock.holder) {
    return lock.holder === null
      ? null
      : end(false, `${title} failed: leader name does not match, ${lock.holder} is the leader`);
  }
  if (failover.candidate !== null && failover.candidate === lock.holder) {
    return end(false, `${title} failed: ${failover.candidate} is the leader already`);
  }
  const isOrderly = failover.kind === "switchover";
  const candidates = view.statuses.filter((seen) =>
    seen.ageMs < FRESH_MS && isMember(seen, view) && seen.status.name !== lock.holder &&
    (failover.candidate === null || seen.status.name === failover.candidate)
  ).map((seen) => seen.status);
  const unfit = (status: MemberStatus) => ineligible(status, view, namesCandidate(failover));
  const why = (status: MemberStatus) => unfit(status) ?? (isOrderly ? notReady(status, view) : null);
  const able = candidates.filter((status) => why(status) === null);
  if (able.length === 0) {
    // Broadcast positions are up to half a second old, and the primary's own is newer: a lag must last to count.
    const hopeful = candidates.filter((status) => unfit(status) === null);
    const patienceMs = hopeful.length === 0
      ? 0
      : hopeful.some((status) => streams(status, view))
      ? LAG_LASTS_MS
      : NO_STREAM_LASTS_MS;
    if (view.requestForMs < patienceMs) return null;
    const reasons = candidates.map((status) => `${status.name} ${why(status)}`);
    return end(
      false,
      `${title} failed: no good candidates have been found${
        reasons.length > 0 ? ` (${reasons.join("; ")})` : ""
      }`,
    );
  }
  return { op: "acceptFailover", id: failover.id };
}

/**
 * Why a switchover to it would lose something, or leave nobody; null when it would not. A position counts only while WAL
 * streams from the holder: without that, the last of it never arrives.
 */
function notReady(status: MemberStatus, view: ClusterView): string | null {
  if (!streams(status, view)) return `does not stream from ${view.dcs.lock.holder}`;
  return lagsTooFar(status, view) ? "lags too far behind" : null;
}

function streams({ running, replicationState, following }: MemberStatus, { dcs }: ClusterView): boolean {
  return running && replicationState === "streaming" && following === dcs.lock.holder;
}

/** The holder that is to step down has not released the lock since the request was accepted. */
function requestStillPending(view: ClusterView): boolean {
  const { failover, lock } = view.dcs;
  return failover !== null && lock.epoch === failover.epoch;
}

/**
 * The raft leader is kept off the primary's host: then the death of that host costs neither an election nor a new
 * full ttl. Nothing of safety rests on it.
 */
function placeLeader(view: ClusterView): string | null {
  if (view.dcs.lock.holder !== view.self || view.dcs.failover !== null) return null;
  const own = freshStatus(view, view.self);
  if (own === null || !own.writable) return null;
  const others = view.statuses.filter((seen) =>
    seen.ageMs < FRESH_MS && isMember(seen, view) && seen.status.name !== view.self &&
    !seen.status.shuttingDown
  ).map((seen) => seen.status.name).sort();
  return others[0] ?? null;
}
