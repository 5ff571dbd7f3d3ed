/** `agent ctl edit-config`: changes the cluster's configuration, after showing what would change. */
import type { JsonObject } from "../../src/model/json.ts";
import { isJsonObject } from "../../src/model/merge.ts";
import { type Command, type Context, FORCE } from "./command.ts";
import { applyFile, setValue } from "./config_changes.ts";
import { CtlError } from "./errors.ts";
import { leaderFirst, onlyClusterName } from "./members.ts";
import { confirm } from "./prompt.ts";
import { readConfig } from "./remote_config.ts";
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
  const { io, arguments: given, cluster: access } = context;
  const cluster = await access.look(onlyClusterName(context));
  const { value: before, etag } = await readConfig(access, cluster.scope);
  const { after, text } = await changed(context, before, cluster.scope);
  const beforeText = yamlText(before);
  if (yamlText(after) === beforeText) {
    if (!given.flag("quiet")) io.out("Not changed");
    return 0;
  }
  if (!given.flag("quiet")) {
    const [{ unifiedDiff }, { page }] = await Promise.all([
      import("./unified_diff.ts"),
      import("./external_programs.ts"),
    ]);
    page(io, unifiedDiff(beforeText, text));
  }
  await warn(io, before, after);
  const force = given.flag("force");
  if (!force && (given.value("apply") === "-" || given.value("replace") === "-")) {
    io.out("Use --force option to apply changes");
    return 0;
  }
  if (!force && !await confirm(io, "Apply these changes?")) return 0;
  const reply = await access.ofAny(leaderFirst(cluster), "PUT", "/config", {
    body: after,
    headers: etag === null ? {} : { "If-Match": etag },
  });
  if (!reply.ok) throw new CtlError(`whether the configuration was changed is not known: ${reply.error}`);
  if (reply.status === 409) throw new CtlError("Config modification aborted due to concurrent changes");
  if (reply.status !== 200) {
    throw new CtlError(`The configuration was refused (${reply.status}): ${reply.text}`);
  }
  io.out("Configuration changed");
  return 0;
}

/**
 * Tells the one who types a value that it will be accepted and not used as it stands: the members' logs
 * alone would not do.
 */
async function warn(io: Context["io"], before: JsonObject, after: JsonObject): Promise<void> {
  const [{ newProblems }, { describeIssue }] = await Promise.all([
    import("../../src/config/dynamic_validate.ts"),
    import("../../src/config/issues.ts"),
  ]);
  for (const issue of newProblems(after, before)) {
    // An error is the members' to say, in their answer.
    if (issue.severity === "warning") io.err(`Warning: ${describeIssue(issue)}`);
  }
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
