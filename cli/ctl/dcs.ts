/** `agent ctl dcs get KEY`: one record of the cluster, raw, for scripts. */
import type { Command } from "./command.ts";
import { UsageError } from "./errors.ts";
import { orLocalRecords } from "./without_members.ts";

export const dcs: Command = {
  usage: "get KEY",
  maxPositionals: 2,
  description:
    "Prints the raw value of a record: leader, initialize, config, sync, status, history, failsafe, failover,\n" +
    "or members/NAME. Prints nothing and exits with 1 when there is none.",
  options: [],
  examples: ["agent ctl dcs get leader", "agent ctl dcs get members/node1"],
  async run({ io, arguments: { positionals: [verb, key] }, cluster }) {
    if (verb !== "get" || key === undefined) throw new UsageError("Say which record: agent ctl dcs get KEY.");
    let isThere = true;
    const code = await orLocalRecords({ io, cluster }, null, async () => {
      await cluster.look();
      const reply = await cluster.get(`/agent/dcs/${key.split("/").map(encodeURIComponent).join("/")}`);
      isThere = reply.status === 200;
      if (isThere) io.out(reply.text);
    }, async ({ state }) => {
      const { localRecord } = await import("./local_answers.ts");
      const value = localRecord(state, key);
      if (value !== null) io.out(value);
    });
    return isThere ? code : 1;
  },
};
