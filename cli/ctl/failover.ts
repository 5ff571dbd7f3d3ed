/** `agent ctl failover`: makes a member the primary although the present one may be gone. */
import { changeLeader } from "./change_leader.ts";
import { type Command, FORCE } from "./command.ts";

export const failover: Command = {
  usage: "[CLUSTER_NAME]",
  description:
    "Makes the candidate the primary, also when there is no leader, and also when it is asynchronous:\n" +
    "what it has not received is then lost. While the leader is well, use switchover.",
  options: [{ names: ["candidate"], value: "NAME", help: "The name of the candidate" }, FORCE],
  examples: ["agent ctl failover --candidate node2", "agent ctl failover --candidate node2 --force"],
  run: (context) => changeLeader(context, "failover"),
};
