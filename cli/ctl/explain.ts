/** `agent ctl config explain`: the value of a key on each member, and where it comes from. */
import { EXPLANATION, type ExplanationJson, jsonText, parseAnswer } from "../../src/api/client.ts";
import type { Json } from "../../src/model/json.ts";
import type { Context } from "./command.ts";
import { CtlError } from "./errors.ts";
import { type Format, printListing, type Row } from "./output.ts";
import { yamlText } from "./yaml_text.ts";

const TIMEOUT_MS = 3000;

export async function explain(
  { io, arguments: given, cluster: access }: Context,
  key: string,
): Promise<number> {
  const cluster = await access.look();
  const path = `/agent/config/explain/${encodeURIComponent(key)}`;
  const answers = await Promise.all(cluster.members.map(async (member) => {
    const reply = await access.ofMember(member, "GET", path, { timeoutMs: TIMEOUT_MS });
    return { name: member.name, reply };
  }));
  const found: ExplanationJson[] = [];
  const silent: string[] = [];
  for (const { name, reply } of answers) {
    const parsed = reply.ok && reply.status === 200 ? parseAnswer(reply.text, EXPLANATION) : null;
    if (parsed?.ok === true) found.push(parsed.value);
    else if (!reply.ok) silent.push(`${name}: ${reply.error}`);
    else silent.push(`${name}: ${parsed === null ? reply.text : parsed.problem}`);
  }
  if (found.length === 0) throw new CtlError(silent.join("\n") || "the cluster has no members");
  print(io, found, (given.value("format") ?? "pretty") as Format);
  for (const line of silent) io.err(`Warning: ${line}`);
  return 0;
}

function print(io: Context["io"], found: readonly ExplanationJson[], format: Format): void {
  if (format === "json") return io.out(jsonText(found));
  if (format === "yaml" || format === "yml") return io.out(yamlText(found as unknown as Json).trimEnd());
  const rows = found.map((one): Row => ({
    Member: one.name,
    Value: shown(one.value),
    Source: one.layers.find(({ counts }) => counts)?.source ?? "",
    "After a restart": one.after_restart ?? "",
  }));
  const columns = ["Member", "Value", "Source", "After a restart"];
  printListing(io, { columns, rows, right: [] }, format, ` ${found[0]!.key} `);
  if (format !== "pretty") return;
  for (const [text, names] of alike(found)) {
    io.out("");
    io.out(` ${names.join(", ")}: ${text}`);
  }
}

/** Members with one story share it. */
function alike(found: readonly ExplanationJson[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const one of found) {
    const lines = [
      one.why,
      ...one.layers.map(({ source, place, value, counts }) =>
        ` ${counts ? "*" : " "} ${source}${place === null ? "" : ` ${place}`}: ${shown(value)}`
      ),
      ...one.notes.map((note) => `   Note: ${note}`),
    ];
    const text = lines.join("\n");
    groups.set(text, [...groups.get(text) ?? [], one.name]);
  }
  return groups;
}

function shown(value: Json): string {
  if (value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
