/** Patroni's texts for a switchover or failover that is refused (docs/compatibility.md section 6). */
import type { Asked, Fault, Judgement } from "../brain/cluster/judge.ts";

/** The body of a 400. */
export const FAULTS: { readonly [fault in Fault]: string } = {
  "failover-without-candidate": "Failover could be performed only to a specific candidate",
  "switchover-without-leader": "Switchover could be performed only from a specific leader",
  "failover-scheduled": "Failover can't be scheduled",
  "scheduled-in-pause": "Can't schedule switchover in the paused state",
  "no-candidate-in-pause": "Switchover is possible only to a specific candidate in a paused state",
  "same-member": "Switchover target and source are the same",
};

/** The body of a 412; null: the request is logged, and what may pass is waited for by the raft leader. */
export function obstacleText({ kind }: Pick<Asked, "kind">, judged: Judgement): string | null {
  if (judged.kind === "possible") return null;
  // The request can be made again once there is a leader.
  if (judged.kind === "not-yet") return judged.why === "no-leader" ? "leader name does not match" : null;
  if (judged.patienceMs > 0) return null;
  const { obstacle } = judged;
  switch (obstacle.code) {
    case "not-initialized":
      return kind === "switchover"
        ? "leader name does not match"
        : `${kind} is not possible: the cluster is not initialized`;
    case "other-leader":
      return "leader name does not match";
    case "candidate-not-synchronous":
      return "candidate name does not match with sync_standby";
    case "nobody-synchronous":
      return `${kind} is not possible: can not find sync_standby`;
    case "no-such-candidate":
      return "candidate does not exists";
    case "no-other-member":
      return `${kind} is not possible: cluster does not have members except leader`;
    case "is-leader":
    case "nobody-fit":
      return `${kind} is not possible: no good candidates have been found`;
    case "bad-time":
    case "too-late":
      return null;
  }
}
