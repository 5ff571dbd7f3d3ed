/** `agent ctl switchover`: hands the role of primary to another member, in order. */
import { changeLeader } from "./change_leader.ts";
import { type Command, DRY_RUN, FORCE } from "./command.ts";

export const switchover: Command = {
  usage: "[CLUSTER_NAME]",
  description: "Makes a standby the primary and the primary a standby. No committed transaction is lost.\n" +
    "Without --candidate the best standby is chosen. Asks for what is not given, unless --force.",
  options: [
    { names: ["leader", "primary", "master"], value: "MEMBER", help: "The name of the current leader" },
    { names: ["candidate"], value: "MEMBER", help: "The name of the candidate" },
    {
      names: ["scheduled"],
      value: "TIME",
      help: "Timestamp of a scheduled switchover in unambiguous format (e.g. ISO 8601)",
    },
    DRY_RUN,
    FORCE,
  ],
  examples: [
    "agent ctl switchover",
    "agent ctl switchover --candidate node2 --force",
    "agent ctl switchover --candidate node2 --dry-run",
    "agent ctl switchover --scheduled 2030-01-31T03:00 --force",
  ],
  run: (context) => changeLeader(context, "switchover"),
};
