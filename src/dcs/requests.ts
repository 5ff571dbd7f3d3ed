/**
 * The requests of operators that the records keep until they are carried out: a switchover or failover of the
 * cluster, and the restart of one member at a time of day. A new request takes the place of the one that its
 * proposer has seen.
 */
import { type DcsState, knownMember, scheduledRestartOf } from "../model/records.ts";
import type { Command } from "./command.ts";
import type { Outcome } from "./outcome.ts";

const MAX_RESULTS = 20;

type Body<Op extends Command["op"]> = Extract<Command, { op: Op }>;

/** `tellsReplaced`: at this place of the log, a request that is replaced gets its result. */
export function setFailover(
  state: DcsState,
  { record, expectRevision }: Body<"setFailover">,
  revision: number,
  tellsReplaced: boolean,
): Outcome {
  const { failover } = state;
  if ((failover?.revision ?? null) !== expectRevision) {
    return { refuse: "another request is present", code: "request-present" };
  }
  const replaced = failover !== null && tellsReplaced
    ? withResult(state, { id: failover.id, ok: false, text: `replaced by another ${record.kind}` })
    : {};
  return {
    change: { ...replaced, failover: { ...record, accepted: false, epoch: 0, revision } },
  };
}

export function acceptFailover({ failover, lock }: DcsState, { id }: Body<"acceptFailover">): Outcome {
  if (failover?.id !== id) return { refuse: "no such request", code: "no-request" };
  return { change: { failover: { ...failover, accepted: true, epoch: lock.epoch } } };
}

export function endFailover(state: DcsState, { id, ok, text }: Body<"endFailover">): Outcome {
  const { failover } = state;
  if (failover?.id !== id) return { refuse: "no such request", code: "no-request" };
  return {
    change: { failover: null, ...withResult(state, { id, ok, text }) },
  };
}

function withResult({ failoverResults }: DcsState, result: DcsState["failoverResults"][number]) {
  return { failoverResults: [...failoverResults, result].slice(-MAX_RESULTS) };
}

export function setRestart(
  state: DcsState,
  { member, id, restart, expectId }: Body<"setRestart">,
): Outcome {
  if (knownMember(state, member) === undefined) {
    return { refuse: "there is no such member", code: "no-member" };
  }
  if ((scheduledRestartOf(state, member)?.id ?? null) !== expectId) {
    return { refuse: "another restart is already scheduled", code: "restart-present" };
  }
  return {
    change: { restarts: { ...state.restarts, [member]: { ...restart, id } } },
  };
}

export function endRestart(state: DcsState, { member, id }: Body<"endRestart">): Outcome {
  const scheduled = scheduledRestartOf(state, member);
  if (scheduled?.id !== id) return { refuse: "no such restart is scheduled", code: "no-restart" };
  return { change: withoutRestart(state, member) };
}

/** The scheduled restarts but that of a member that has left, or whose restart is over. */
export function withoutRestart(
  { restarts }: DcsState,
  member: string,
): Pick<DcsState, "restarts"> {
  if (restarts === undefined || !Object.hasOwn(restarts, member)) return {};
  const { [member]: _, ...others } = restarts;
  return { restarts: others };
}
