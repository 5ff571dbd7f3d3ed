/**
 * A server that the guard found running and did not start. Nothing fences it before the guard has been told
 * its role, and until then nothing of it is changed: it may be another cluster's (a wrong `data_dir` or
 * `scope`).
 *
 * A primary is adopted in one case only: it founds the cluster, under the first epoch of a cluster without
 * data. No other member can hold that epoch, and none gets another before this one has ended, so from the
 * adoption on it writes under a lease like any primary. Before that it wrote without one, as it always had,
 * and no member of this cluster could be a primary beside it: there was no cluster.
 *
 * In pause the holder's own PostgreSQL may be restarted beside its agent (`pg_ctl restart`), and goes on
 * under the epoch of its predecessor: this node holds that one, so no other member is granted the lock
 * meanwhile. The epoch is unfenced, as no server is fenced in pause; or its lease runs, and the guard is
 * armed with it. The pause may end before this is done: the guard fences what it has found with the same
 * epoch. Otherwise what was found has no lease, and is stopped as in any other case.
 *
 * In a cluster that has data, any other primary is one too many. If an agent has managed it, its
 * agent and guard have died while it ran on: it is stopped. If none has, it is a second primary of users who
 * know nothing of the cluster: an operator must say whose data is to stay, as the other's would be rewound.
 */
import { isInitialized } from "../../model/records.ts";
import { KEEPS_PRIMARY } from "./bootstrap_standby.ts";
import { DECLARE_MS } from "./found_unleased.ts";
import { founding } from "./founder.ts";
import { notYet } from "./may_write.ts";
import { decide, kill, mayLeave, type NodeRule, type Outcome } from "./outcome.ts";
import {
  isUndeclared,
  isUnmanaged,
  livingHolder,
  type NodeView,
  ownBootstrap,
  remoteUpstream,
} from "./view.ts";

export const NOT_TAKEN_OVER = "stopped; PostgreSQL was not taken over, and runs on as it did";

function leftAsItWas(view: NodeView): Outcome | null {
  return isUnmanaged(view) && view.stopping ? mayLeave(NOT_TAKEN_OVER) : null;
}

/** Its role is not known yet. */
function looking(view: NodeView): Outcome | null {
  if (!isUndeclared(view)) return null;
  const { postgres: { action, inRecovery, process, directory, systemId }, dcs: { lock } } = view;
  if (action?.kind === "stop") return decide("stopping a server that was found running");
  if (
    directory.kind === "absent" || directory.kind === "empty" || (inRecovery !== null && systemId === null)
  ) {
    return decide("a server was found running: reading its directory");
  }
  if (inRecovery !== null || process !== "starting") return null;
  if (isUnmanaged(view)) return decide("a server was found running: it does not answer this agent yet");
  // It may be a primary that answers its clients, and not this agent (a password, a hook): no lease bounds
  // its writes. A standby that is killed loses nothing.
  const isOthers = lock.holder !== null && view.tenure === "none" && !view.dynamic.pause;
  if (isOthers && view.undeclaredForMs >= DECLARE_MS) {
    return kill("a server was found running that does not answer, and another member holds the lock");
  }
  return decide("a server was found running: looking at it");
}

function refused(view: NodeView): Outcome | null {
  const why = isUndeclared(view) ? whyRefused(view) : null;
  return why === null ? null : decide("the running PostgreSQL is not taken over", {
    kind: "exit",
    message: `${why}. PostgreSQL runs on, and was not touched`,
  });
}

function whyRefused(view: NodeView): string | null {
  const { dcs, postgres: { systemId, inRecovery, timeline }, name } = view;
  if (!isInitialized(dcs) || systemId === null || inRecovery === null) return null;
  const expected = dcs.initialize!.systemId;
  if (expected !== systemId) {
    return `system ID mismatch, node ${name} belongs to a different cluster: ${expected} != ${systemId}. ` +
      "Correct scope, raft and data_dir; or, if the cluster was founded by mistake before this server was taken over, " +
      "stop its agents, move their raft and data directories away, and start this agent first";
  }
  if (!isUnmanaged(view)) return null;
  const holder = dcs.lock.holder ?? dcs.lock.lastHolder;
  if (inRecovery === false) {
    // Its own records are those of an earlier time, as after a way back to Patroni; or the lock is free.
    if (holder === null || holder === name) {
      return "a primary of the cluster's data runs here, and no agent has managed it since the cluster was made. Stop " +
        "PostgreSQL here and start the agent again; or, to take the servers over anew while they run, stop all agents " +
        "and move the raft directory (raft.data_dir) of each away";
    }
    return `two primaries: the cluster has ${holder} as its primary, and a primary of the same data runs here, which no ` +
      "agent has managed. Decide whose data is to stay. To give up this one's, stop PostgreSQL here and start the agent " +
      `again: it rewinds the directory to ${holder}'s, or copies it anew`;
  }
  const primary = livingHolder(view);
  if (primary === null || (timeline ?? 0) <= (primary.timeline ?? 0)) return null;
  return `the standby here is on timeline ${timeline}, beyond timeline ${primary.timeline} of the primary ` +
    `${primary.name}: it follows another primary, which is not in the cluster. Decide whose data is to stay; to join ` +
    `${primary.name}, stop PostgreSQL here and start the agent again`;
}

/**
 * Whether the guard is to be told that the server is a standby. From then on its configuration is the
 * agent's. One that no agent has managed must be known to be a standby of the cluster's primary.
 */
export function isStandbyOfCluster(view: NodeView): boolean {
  if (!isUndeclared(view) || view.postgres.inRecovery !== true) return false;
  if (!isUnmanaged(view)) return true;
  return isInitialized(view.dcs) && whyRefused(view) === null && livingHolder(view) !== null;
}

function standby(view: NodeView): Outcome | null {
  if (!isUndeclared(view) || view.postgres.inRecovery !== true) return null;
  if (!isUnmanaged(view)) return decide("a standby was found running");
  if (!isInitialized(view.dcs) && remoteUpstream(view) !== null) {
    return decide(
      "a standby was found running, which no agent has managed: stop PostgreSQL here, and its data is that of the " +
        "standby cluster",
    );
  }
  if (!isInitialized(view.dcs)) {
    return decide(
      "a standby was found running, and no agent has taken over its primary yet: start the agent on the primary's host " +
        "next. Nothing is changed here until then",
    );
  }
  return decide(
    livingHolder(view) === null
      ? `a standby was found running: waiting for ${
        view.dcs.lock.holder ?? "a primary"
      } to be heard, to follow it`
      : "a standby was found running: taking it over",
  );
}

function primary(view: NodeView): Outcome | null {
  if (!isUndeclared(view)) return null;
  if (!isInitialized(view.dcs)) return founds(view);
  if (goesOn(view)) {
    return notYet(view) ??
      decide(
        `${view.dynamic.pause ? "PAUSE: " : ""}the primary was restarted beside its agent: taking it over`,
        {
          kind: "adopt-primary",
          epoch: view.dcs.lock.epoch,
        },
      );
  }
  // Its clients must not write without a lease. A clean stop loses nothing, and it is started again under an
  // epoch.
  return decide("a primary was found running without the lock: stopping it cleanly", {
    kind: "stop",
    how: "fast",
    checkpoint: true,
  });
}

/** In pause, or as long as its epoch is unfenced after it: the holder's own primary, restarted by others. */
function goesOn({ dynamic, tenure, dcs: { lock }, leaseUsable, postgres: { process } }: NodeView): boolean {
  if (dynamic.standbyCluster !== null || tenure !== "holding" || process !== "running") return false;
  return lock.unfenced || (dynamic.pause && leaseUsable);
}

function founds(view: NodeView): Outcome {
  const { dcs, tenure, postgres: { process } } = view;
  if (remoteUpstream(view) !== null) return decide(`a primary was found running: ${KEEPS_PRIMARY}`);
  if (process !== "running") return decide(`a primary was found running: it is ${process} now`);
  if (dcs.initialize === null) return founding(view);
  if (!ownBootstrap(view)) {
    return decide(`a primary was found running: ${dcs.initialize.by} founds the cluster`);
  }
  if (tenure !== "holding") {
    return decide("a primary was found running: waiting for the lock, to take it over");
  }
  return notYet(view) ??
    decide("taking over the running primary", { kind: "adopt-primary", epoch: dcs.lock.epoch });
}

export const FOUND_RUNNING: readonly NodeRule[] = [
  {
    name: "not-taken-over",
    when: "The agent is to stop, and PostgreSQL runs as it did before there was an agent.",
    then: "The agent ends; PostgreSQL runs on.",
    decide: leftAsItWas,
  },
  {
    name: "found-running",
    when: "PostgreSQL runs, its guard did not start it, and its role is not known yet.",
    then:
      "Looks at it. One that an agent has managed, and that does not answer for 3 s, is killed while another member holds the lock.",
    decide: looking,
  },
  {
    name: "refuse-running",
    when:
      "A server that was found running has another system identifier than the cluster; or no agent has managed it, and it is a second primary, or a standby of one.",
    then: "The agent ends with exit code 1, and says what to do. PostgreSQL is not touched.",
    decide: refused,
  },
  {
    name: "found-standby",
    when: "A standby was found running.",
    then:
      "Leaves it to run, and takes it over; one that no agent has managed only once the cluster has its primary.",
    decide: standby,
  },
  {
    name: "found-primary",
    when: "A primary was found running.",
    then:
      "Founds the cluster with it, and takes it over under the first epoch, while it runs. In a cluster that has data it is stopped cleanly; but the holder's own, which others have restarted in pause, is taken over under its epoch.",
    decide: primary,
  },
];
