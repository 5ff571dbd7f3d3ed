/** `agent ctl show-config`: the cluster's configuration as YAML. */
import type { Command } from "./command.ts";
import { onlyClusterName } from "./members.ts";
import { readConfig } from "./remote_config.ts";
import { orLocalRecords } from "./without_members.ts";
import { yamlText } from "./yaml_text.ts";

export const showConfig: Command = {
  usage: "[CLUSTER_NAME]",
  description:
    "Shows the configuration that all members share. Values of a member's own file are not part of it.",
  options: [],
  examples: ["agent ctl show-config", "agent ctl show-config > cluster.yml"],
  async run(context) {
    const { io, cluster } = context;
    const name = onlyClusterName(context);
    return await orLocalRecords(context, name, async () => {
      const { scope } = await cluster.look(name);
      io.out(yamlText((await readConfig(cluster, scope)).value).trimEnd());
    }, ({ state }) => io.out(yamlText(state.config?.value ?? {}).trimEnd()));
  },
};
