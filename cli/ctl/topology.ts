/** `agent ctl topology`: the members as a tree. */
import { type Command, WATCH } from "./command.ts";
import { showMembers } from "./list.ts";

export const topology: Command = {
  usage: "[CLUSTER_NAMES]...",
  description: "Shows the members of the cluster as `list` does, each below the one that it follows.",
  options: WATCH,
  examples: ["agent ctl topology", "agent ctl topology -w 5"],
  run: (context) => showMembers(context, "topology"),
};
