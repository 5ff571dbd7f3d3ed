/** An operator's request to this node. */
import { decide, type NodeRule, type Outcome } from "./outcome.ts";
import { livingHolder, type NodeView } from "./view.ts";

/** Without a primary to copy from, this directory may be the one that the cluster needs. */
function reinitialize(view: NodeView): Outcome | null {
  if (view.wantsReinit === null || view.tenure === "holding" || livingHolder(view) === null) return null;
  const { process, directory } = view.postgres;
  if (process !== "none") {
    return decide("reinitialize", { kind: "stop", how: "immediate", checkpoint: false });
  }
  if (directory.kind !== "valid") return null;
  const [first] = view.dynamic.postgresql.createReplicaMethods;
  const keeps = first !== undefined && first !== "basebackup" && first.keepData &&
    !view.wantsReinit.fromLeader;
  return decide("reinitialize", {
    kind: "set-aside",
    why: "reinitialize",
    onRequest: true,
    ...(keeps ? { keep: true } : {}),
  });
}

function restart({ wantsRestart, postgres: { process, writable }, leaseUsable }: NodeView): Outcome | null {
  if (!wantsRestart || process !== "running" || (writable && !leaseUsable)) return null;
  return decide("restart requested", { kind: "restart" });
}

export const REQUEST: readonly NodeRule[] = [
  {
    name: "reinitialize",
    when: "An operator asked for a new copy, this node is not the holder, and a primary runs to copy from.",
    then:
      "Stops PostgreSQL and moves the directory aside, or leaves it to a method with `keep_data`; a copy follows.",
    decide: reinitialize,
  },
  {
    name: "restart",
    when: "A restart is asked for or due, PostgreSQL runs, and a primary has a lease.",
    then: "Restarts PostgreSQL in place.",
    decide: restart,
  },
];
