/** `agent ctl show-config`: the cluster's configuration as YAML. */
import type { Command } from "./command.ts";
import { onlyClusterName } from "./members.ts";
import { readConfig } from "./remote_config.ts";
import { yamlText } from "./yaml_text.ts";

export const showConfig: Command = {
  usage: "[CLUSTER_NAME]",
  description:
    "Shows the configuration that all members share. Values of a member's own file are not part of it.",
  options: [],
  examples: ["agent ctl show-config", "agent ctl show-config > cluster.yml"],
  async run(context) {
    const { scope } = await context.cluster.look(onlyClusterName(context));
    context.io.out(yamlText((await readConfig(context.cluster, scope)).value).trimEnd());
    return 0;
  },
};
