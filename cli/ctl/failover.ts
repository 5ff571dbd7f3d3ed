/** `agent ctl failover`: makes a member the primary although the present one may be gone. */
import { changeLeader } from "./change_leader.ts";
import { type Command, DRY_RUN, FORCE } from "./command.ts";

export const failover: Command = {
  usage: "[CLUSTER_NAME]",
  description:
    "Makes the candidate the primary, also when there is no leader, and also when it is asynchronous:\n" +
    "what it has not received is then lost. While the leader is well, use switchover.",
  options: [
    { names: ["candidate"], value: "MEMBER", help: "The name of the candidate" },
    {
      names: ["leader", "primary", "master"],
      value: "MEMBER",
      help: "The name of the current leader: makes it a switchover. Deprecated, use switchover",
    },
    DRY_RUN,
    FORCE,
  ],
  examples: [
    "agent ctl failover --candidate node2",
    "agent ctl failover --candidate node2 --force",
    "agent ctl failover --candidate node2 --dry-run",
  ],
  run(context) {
    if (context.arguments.value("leader") === null) return changeLeader(context, "failover");
    context.io.err(
      "Warning: supplying a leader name using this command is deprecated, change your scripts to use " +
        "`switchover` instead. Executing switchover!",
    );
    return changeLeader(context, "switchover");
  },
};
