/** `agent ctl config`: where the configuration comes from, and what it was. */
import { type Command, FORCE, FORMAT, OVERRIDE } from "./command.ts";
import { configHistory, rollBack } from "./config_history.ts";
import { explain } from "./explain.ts";
import { UsageError } from "./errors.ts";

export const config: Command = {
  usage: "explain KEY | history [REVISION] | rollback REVISION",
  maxPositionals: 2,
  description:
    "explain: the value of a key in force on each member, every place that has one, and which of them counts.\n" +
    "A name that is no key of the configuration is a parameter of PostgreSQL.\n" +
    "history: the last configurations that all members shared, when each began, and what it changed. The members\n" +
    "keep 20 beside the one in force, fewer where they are large.\n" +
    "rollback: makes a former configuration the present one again, after showing what would change. Maintenance\n" +
    "mode (pause) stays as it is.",
  options: [
    { ...FORMAT, of: ["explain", "history"] },
    { ...OVERRIDE, of: ["rollback"] },
    FORCE,
    { names: ["quiet"], short: "q", of: ["rollback"], help: "rollback: do not show changes" },
  ],
  examples: [
    "agent ctl config explain ttl",
    "agent ctl config explain work_mem",
    "agent ctl config history",
    "agent ctl config history 1234",
    "agent ctl config rollback 1234",
  ],
  async run(context) {
    const [verb, word] = context.arguments.positionals;
    if (verb === "explain" && word !== undefined) return await explain(context, word);
    if (verb === "history") return await configHistory(context, word ?? null);
    if (verb === "rollback" && word !== undefined) return await rollBack(context, word);
    throw new UsageError(`Say what to do: agent ctl config ${config.usage}`);
  },
};
