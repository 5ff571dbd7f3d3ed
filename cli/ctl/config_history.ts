/** `agent ctl config history` and `rollback`: the configurations before the present one. */
import { CONFIG_HISTORY, type ConfigRevisionJson, jsonText } from "../../src/api/client.ts";
import { isJsonObject } from "../../src/model/merge.ts";
import { PAUSE_KEYS, withoutPause } from "../../src/model/pause_end.ts";
import type { Json, JsonObject } from "../../src/model/json.ts";
import type { ClusterAccess } from "./access.ts";
import type { Context } from "./command.ts";
import { CtlError } from "./errors.ts";
import { type Format, printListing, type Row } from "./output.ts";
import { readConfig } from "./remote_config.ts";
import { submitConfig } from "./submit_config.ts";
import { unifiedDiff } from "./unified_diff.ts";
import { yamlText } from "./yaml_text.ts";
import { okJson } from "./answer_json.ts";

/** `word`: the one revision to show; null: all. */
export async function configHistory(
  { io, arguments: given, cluster: access }: Context,
  word: string | null,
): Promise<number> {
  await access.look();
  const all = await revisions(access);
  const shown = word === null ? all : [revisionOf(all, word)];
  const format = (given.value("format") ?? "pretty") as Format;
  if (format === "json") io.out(jsonText(shown));
  else if (format === "yaml" || format === "yml") io.out(yamlText(shown as unknown as Json).trimEnd());
  else {
    const rows = shown.map((one) => row(one, before(all, one), one === all.at(-1)));
    printListing(io, { columns: COLUMNS, rows, right: ["Revision"] }, format, "");
    if (format === "pretty") { for (const one of shown) printChange(io, one, before(all, one)); }
  }
  return 0;
}

const COLUMNS = ["Revision", "Since", "Through", "Changed", "In force"];

/** The configuration of that revision is made the present one; maintenance mode is no part of it. */
export async function rollBack(context: Context, word: string): Promise<number> {
  const { arguments: given, cluster: access } = context;
  const cluster = await access.look();
  const { config } = revisionOf(await revisions(access), word);
  const { value, etag } = await readConfig(access, cluster.scope);
  const after = withoutPause(config);
  for (const key of PAUSE_KEYS) if (value[key] !== undefined) after[key] = value[key];
  return await submitConfig(context, cluster, {
    before: value,
    etag,
    after,
    text: yamlText(after),
    quiet: given.flag("quiet"),
    force: given.flag("force"),
    override: given.flag("override"),
    isAnswerable: true,
  });
}

async function revisions(access: ClusterAccess): Promise<readonly ConfigRevisionJson[]> {
  const reply = await access.get("/agent/config/history");
  if (reply.status === 503) {
    throw new CtlError("the member that answers is of a version that keeps no history");
  }
  const found = okJson(reply, CONFIG_HISTORY);
  if (found.length === 0) throw new CtlError("the cluster has no configuration yet");
  return found;
}

function revisionOf(all: readonly ConfigRevisionJson[], word: string): ConfigRevisionJson {
  const found = all.find(({ revision }) => String(revision) === word);
  if (found !== undefined) return found;
  throw new CtlError(
    `there is no revision ${word}; known are ${all.map(({ revision }) => revision).join(", ")}`,
  );
}

/** null: it is the oldest that is known. */
function before(all: readonly ConfigRevisionJson[], one: ConfigRevisionJson): ConfigRevisionJson | null {
  return all[all.indexOf(one) - 1] ?? null;
}

function row(one: ConfigRevisionJson, former: ConfigRevisionJson | null, isPresent: boolean): Row {
  return {
    Revision: one.revision,
    Since: one.at ?? "",
    Through: one.by ?? "",
    Changed: former === null ? "" : changedKeys(former.config, one.config).join(", "),
    "In force": isPresent ? "*" : "",
  };
}

function printChange(io: Context["io"], one: ConfigRevisionJson, former: ConfigRevisionJson | null): void {
  if (former === null) return;
  io.out("");
  io.out(` ${former.revision} -> ${one.revision}`);
  for (const line of unifiedDiff(yamlText(former.config), yamlText(one.config)).slice(2)) io.out(line);
}

/** Dotted, maps by their keys. */
function changedKeys(a: JsonObject, b: JsonObject, path = ""): string[] {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names.flatMap((name) => {
    const inner = path === "" ? name : `${path}.${name}`;
    const [one, other] = [a[name], b[name]];
    if (isJsonObject(one) && isJsonObject(other)) return changedKeys(one, other, inner);
    return JSON.stringify(one) === JSON.stringify(other) ? [] : [inner];
  });
}
