/**
 * The next step of this node's PostgreSQL: a pure decision, with its reason and the name of the rule that
 * made it. The table is ordered by urgency, and the first rule that applies decides. Long actions appear in
 * the next view as running; nothing waits here.
 *
 * No rule starts or promotes a server that may acknowledge writes unless this node holds the lock, its first
 * renewal is acknowledged, its lease runs, the guard is armed with it, and no wait of failsafe mode is left
 * (may_write.ts). In a standby cluster no rule does so at all (standby_leader.ts).
 */
import { isPromotedByOthers } from "../../model/postgres_view.ts";
import type { Decision } from "../actions.ts";
import { firstOf } from "../rule.ts";
import { BOOTSTRAP } from "./bootstrap.ts";
import { BUSY } from "./busy.ts";
import { DIRECTORY, OTHER_CLUSTER } from "./directory.ts";
import { FENCE, RECORDS_UNKNOWN } from "./fence.ts";
import { FOUND_RUNNING } from "./found_running.ts";
import { FOUND_UNLEASED } from "./found_unleased.ts";
import { HOLDER_RUNNING } from "./holder_running.ts";
import { HOLDER_GIVES_UP, HOLDER_STOPPED } from "./holder_stopped.ts";
import { LEAVE } from "./leave.ts";
import { PAUSE, startsOnRequest } from "./pause.ts";
import { REJOIN } from "./rejoin.ts";
import { REQUEST } from "./request.ts";
import { decide, kill, type NodeRule, type Outcome } from "./outcome.ts";
import { SICK_HAND_OVER, SICK_LET_GO } from "./sick.ts";
import { SHUTDOWN } from "./shutdown.ts";
import { STANDBY } from "./standby.ts";
import { STANDBY_LEADER } from "./standby_leader.ts";
import { type NodeView, retryLater } from "./view.ts";
import { VOUCHED } from "./vouched.ts";
import { WAITING } from "./waiting.ts";
import { WATCHDOG } from "./watchdog.ts";

const LEFTOVERS: NodeRule = {
  name: "leftovers",
  when: "The postmaster is gone, and processes of its directory live.",
  then: "Kills them.",
  decide: ({ postgres: { process } }) =>
    process === "orphans" ? kill("ending the remaining processes of PostgreSQL") : null,
};

const HOLDER: readonly NodeRule[] = [
  ...HOLDER_GIVES_UP,
  SICK_LET_GO,
  ...STANDBY_LEADER,
  ...HOLDER_STOPPED,
  ...HOLDER_RUNNING,
  SICK_HAND_OVER,
];

/** They decide in pause as they do otherwise, and say then that it is pause. */
const ORDINARY: readonly NodeRule[] = [
  ...PAUSE,
  LEFTOVERS,
  ...HOLDER,
  ...WAITING,
  ...VOUCHED,
  ...STANDBY,
  ...REJOIN,
];

/** All rules, most urgent first. */
export const RULES: readonly NodeRule[] = [
  FOUND_UNLEASED,
  RECORDS_UNKNOWN,
  ...FOUND_RUNNING,
  ...FENCE,
  ...SHUTDOWN,
  ...LEAVE,
  ...BUSY,
  ...WATCHDOG,
  ...DIRECTORY,
  ...BOOTSTRAP,
  OTHER_CLUSTER,
  ...REQUEST,
  ...ORDINARY,
];

/** The decision when no rule applies: all is as it should be. */
export const IDLE = "idle";

function idle({ name, tenure, dcs: { lock }, postgres, dynamic }: NodeView): Outcome {
  if (tenure === "holding") return decide(`no action. I am (${name}), the leader with the lock`);
  if (lock.holder === null) return decide("the lock is free, waiting for the coordinator's choice");
  if (isPromotedByOthers(postgres)) {
    const why = dynamic.pause ? "in maintenance mode" : `while ${lock.holder} is not heard`;
    return decide(`no action. I am (${name}), promoted by others, and left alone ${why}`);
  }
  return decide(`no action. I am (${name}), a secondary, and following a leader (${lock.holder})`);
}

export function keep(view: NodeView): Decision {
  const first = firstOf(RULES, view);
  if (first === null) return decision(IDLE, idle(view), view, true);
  return decision(first.rule.name, first.outcome, view, ORDINARY.includes(first.rule));
}

function decision(rule: string, outcome: Outcome, view: NodeView, isOrdinary: boolean): Decision {
  const { reason, ...rest } = tooSoon(view, outcome) ?? outcome;
  const prefix = !isOrdinary || !view.dynamic.pause
    ? ""
    : startsOnRequest(view)
    ? "PAUSE: restart requested: "
    : "PAUSE: ";
  return { rule, reason: prefix + reason, ...rest };
}

/**
 * An action that has failed is not begun again before its pause is over, whichever rule asks for it. Exempt
 * are the end of a server, which may be urgent, and a restart, which its requester asks for once.
 */
function tooSoon(view: NodeView, { actions }: Outcome): Outcome | null {
  for (const { kind } of actions) {
    const tried = kind === "start-primary" || kind === "start-standby"
      ? "start"
      : kind === "restore"
      ? "clone"
      : kind;
    if (!isRepeated(tried)) continue;
    const last = view.postgres.last[tried];
    if (retryLater(last, view.nowMs)) return decide(`${tried} failed, trying again soon: ${last!.detail}`);
  }
  return null;
}

const REPEATED = [
  "bootstrap",
  "finish-bootstrap",
  "seal-bootstrap",
  "clone",
  "start",
  "promote",
  "rewind",
  "set-aside",
  "joined-history",
] as const;

function isRepeated(kind: string): kind is typeof REPEATED[number] {
  return (REPEATED as readonly string[]).includes(kind);
}
