/**
 * The decisions of a simulated node can be replayed: written as a running node writes them, read again, and
 * decided anew, they are the same. So no rule depends on what is not in its view. One in four is tried: a
 * rule that does will be seen in another run, and the trial costs as much as a decision.
 */
import { Violation } from "../../raft/sim/mod.ts";
import { type DecisionPair, differsFrom, readRecord, recordLine } from "../brain/replay.ts";

const TRIED_EACH = 4;

export function replayed(node: string): (pair: DecisionPair) => void {
  let decided = 0;
  return (pair) => {
    if (decided++ % TRIED_EACH !== 0) return;
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
