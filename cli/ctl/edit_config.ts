/** `agent ctl edit-config`: changes the cluster's configuration, after showing what would change. */
import type { JsonObject } from "../../src/model/json.ts";
import { isJsonObject } from "../../src/model/merge.ts";
import { type Command, type Context, FORCE, OVERRIDE } from "./command.ts";
import { applyFile, setValue } from "./config_changes.ts";
import { CtlError } from "./errors.ts";
import { onlyClusterName } from "./members.ts";
import { readConfig } from "./remote_config.ts";
import { submitConfig } from "./submit_config.ts";
import { yamlText } from "./yaml_text.ts";

export const editConfig: Command = {
  usage: "[CLUSTER_NAME]",
  description:
    "Changes the configuration that all members share. Without -s, -p, --apply or --replace an editor opens.\n" +
    "Values are YAML; null removes a key.",
  options: [
    { names: ["quiet"], short: "q", help: "Do not show changes" },
    {
      names: ["set"],
      short: "s",
      value: "KEY=VALUE",
      multiple: true,
      help: "Set specific configuration value. Can be specified multiple times",
    },
    {
      names: ["pg"],
      short: "p",
      value: "KEY=VALUE",
      multiple: true,
      help:
        "Set specific PostgreSQL parameter value. Shorthand for -s postgresql.parameters. Can be repeated",
    },
    { names: ["apply"], value: "FILE", help: "Apply configuration from file. Use - for stdin." },
    {
      names: ["replace"],
      value: "FILE",
      help: "Apply configuration from file, replacing existing configuration. Use - for stdin.",
    },
    OVERRIDE,
    FORCE,
  ],
  examples: [
    "agent ctl edit-config",
    "agent ctl edit-config -s failsafe_mode=true -p work_mem=16MB --force",
    "agent ctl edit-config --apply - --force < patch.yml",
  ],
  run,
};

async function run(context: Context): Promise<number> {
  const { arguments: given, cluster: access } = context;
  const cluster = await access.look(onlyClusterName(context));
  const { value: before, etag } = await readConfig(access, cluster.scope);
  const { after, text } = await changed(context, before, cluster.scope);
  const force = given.flag("force");
  return await submitConfig(context, cluster, {
    before,
    etag,
    after,
    text,
    quiet: given.flag("quiet"),
    force,
    override: given.flag("override"),
    // What was read from there cannot be followed by an answer.
    isAnswerable: force || (given.value("apply") !== "-" && given.value("replace") !== "-"),
  });
}

/** The wanted configuration, and its text as the user has written or would write it. */
async function changed({ io, arguments: given }: Context, before: JsonObject, clusterName: string) {
  const [replace, apply] = [given.value("replace"), given.value("apply")];
  const pairs = [
    ...given.values("set"),
    ...given.values("pg").map((pair) => `postgresql.parameters.${pair.trimStart()}`),
  ];
  if (replace === null && apply === null && pairs.length === 0) return await edited(io, before, clusterName);
  let after = replace === null ? before : await applyFile(io, {}, replace);
  if (apply !== null) after = await applyFile(io, after, apply);
  for (const pair of pairs) after = setValue(after, pair);
  return { after, text: yamlText(after) };
}

async function edited(io: Context["io"], before: JsonObject, clusterName: string) {
  const [{ edit }, { parseYamlValue }] = await Promise.all([
    import("./external_programs.ts"),
    import("./yaml_text.ts"),
  ]);
  const text = edit(io, yamlText(before), clusterName);
  const after = parseYamlValue(text, "the edited configuration");
  if (!isJsonObject(after)) throw new CtlError("the configuration must be a map of keys");
  return { after, text };
}
