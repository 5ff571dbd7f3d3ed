/**
 * Every decision of a simulated node can be replayed: written as a running node writes it, read again, and
 * decided anew, it is the same. So no rule depends on what is not in its view.
 */
import { Violation } from "../../raft/sim/mod.ts";
import { type DecisionPair, differsFrom, readRecord, recordLine } from "../brain/replay.ts";

export function replayed(node: string): (pair: DecisionPair) => void {
  return (pair) => {
    const line = recordLine({ version: "simulated", node, at: "", pair });
    const anew = differsFrom(readRecord(line).pair);
    if (anew === null) return;
    const { rule, reason } = anew.decision;
    throw new Violation(
      "decisions can be replayed",
      `${node} decided ${pair.decision.rule} (${pair.decision.reason}), and replayed ${rule} (${reason})`,
    );
  };
}
