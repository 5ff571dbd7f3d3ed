/** Makes a change of the cluster's configuration: shows it, warns, asks, and sends it. */
import { type ClusterJson, readWarnings } from "../../src/api/client.ts";
import type { JsonObject } from "../../src/model/json.ts";
import type { Context } from "./command.ts";
import { CtlError } from "./errors.ts";
import { leaderFirst } from "./members.ts";
import { confirm } from "./prompt.ts";
import { yamlText } from "./yaml_text.ts";

export interface ConfigChange {
  readonly before: JsonObject;
  /** The revision of `before`, so that no change by somebody else is lost. null: not known. */
  readonly etag: string | null;
  readonly after: JsonObject;
  /** `after`, as the user has written or would write it. */
  readonly text: string;
  /** Does not show the change. */
  readonly quiet: boolean;
  /** Does not ask. */
  readonly force: boolean;
  /** Although members find that it could never work. */
  readonly override: boolean;
  /** False: there is nobody to ask, and without `force` nothing is changed. */
  readonly isAnswerable: boolean;
}

/** Returns the exit code. */
export async function submitConfig(
  { io, cluster: access }: Pick<Context, "io" | "cluster">,
  cluster: ClusterJson,
  { before, etag, after, text, quiet, force, override, isAnswerable }: ConfigChange,
): Promise<number> {
  const beforeText = yamlText(before);
  if (yamlText(after) === beforeText) {
    if (!quiet) io.out("Not changed");
    return 0;
  }
  if (!quiet) {
    const [{ unifiedDiff }, { page }] = await Promise.all([
      import("./unified_diff.ts"),
      import("./external_programs.ts"),
    ]);
    page(io, unifiedDiff(beforeText, text));
  }
  const said = await warn(io, before, after);
  if (!isAnswerable) {
    io.out("Use --force option to apply changes");
    return 0;
  }
  if (!force && !await confirm(io, "Apply these changes?")) return 0;
  const reply = await access.ofAny(leaderFirst(cluster), "PUT", `/config${override ? "?force=true" : ""}`, {
    body: after,
    headers: etag === null ? {} : { "If-Match": etag },
  });
  if (!reply.ok) throw new CtlError(`whether the configuration was changed is not known: ${reply.error}`);
  if (reply.status === 409) throw new CtlError("Config modification aborted due to concurrent changes");
  if (reply.status !== 200) {
    const why = reply.text.replace(/With \?force=true it is/, "With --override it is");
    throw new CtlError(`The configuration was refused (${reply.status}): ${why}`);
  }
  for (const text of readWarnings(reply.headers)) if (!said.includes(text)) io.err(`Warning: ${text}`);
  io.out("Configuration changed");
  return 0;
}

/**
 * Tells the one who types a value that it will be accepted and not used as it stands: the members' logs
 * alone would not do.
 */
async function warn(
  io: Context["io"],
  before: JsonObject,
  after: JsonObject,
): Promise<readonly string[]> {
  const [{ newProblems }, { describeIssue }] = await Promise.all([
    import("../../src/config/dynamic_validate.ts"),
    import("../../src/config/issues.ts"),
  ]);
  // An error is the members' to say, in their answer.
  const found = newProblems(after, before).filter((issue) => issue.severity === "warning").map(describeIssue);
  for (const text of found) io.err(`Warning: ${text}`);
  return found;
}
