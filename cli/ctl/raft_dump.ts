/**
 * `agent ctl raft dump`: what the raft log of this host holds, read from its files. Works while the agent
 * runs.
 */
import { type DumpedRecord, dumpLog, type LogDump, StorageError } from "../../raft/mod.ts";
import { jsonText } from "../../src/api/client.ts";
import { withoutSecrets } from "../../src/config/issues.ts";
import type { Json, JsonObject } from "../../src/model/json.ts";
import { CtlError } from "./errors.ts";
import type { Io } from "./io.ts";

/** `directory`: raft.data_dir. Returns the exit code: 1 for a log that a member would refuse. */
export function dumpRaft(io: Io, directory: string, format: string): number {
  let dump: LogDump;
  try {
    dump = dumpLog(directory);
  } catch (error) {
    if (error instanceof StorageError || (error instanceof Error && "code" in error)) {
      throw new CtlError(error.message, { cause: error });
    }
    throw error;
  }
  const { damage, cut, where } = dump;
  if (format === "json") {
    io.out(jsonText(summaryOf(dump, dump.records.map(lineOf))));
  } else {
    for (const { file, offset, ...line } of dump.records.map(lineOf)) {
      io.out(`${String(file)}:${String(offset)} ${JSON.stringify(line)}`);
    }
    const { records: _, ...rest } = summaryOf(dump, []);
    io.out(JSON.stringify(rest));
    if (cut) io.out(`Unfinished write at ${where}/${cut.file}, byte ${cut.offset}`);
    if (damage) io.out(`Damaged: ${where}/${damage.file}, byte ${damage.offset}: ${damage.problem}`);
  }
  return damage === null ? 0 : 1;
}

function summaryOf(dump: LogDump, records: JsonObject[]) {
  const { identity, hardState, snapshot, damage, cut } = dump;
  return {
    cluster_id: identity.clusterId,
    node_id: identity.nodeId,
    hard_state: hardState,
    snapshot: snapshot && {
      index: snapshot.index,
      term: snapshot.term,
      configuration: snapshot.configuration,
      bytes: snapshot.data.length,
    },
    cut,
    damage,
    records,
  };
}

function lineOf({ file, offset, record, meaning }: DumpedRecord): JsonObject {
  const place = { file, offset };
  if (record === null) return { ...place, type: "unknown" };
  if (record.kind !== "entry") return { ...place, type: record.kind, ...plain(record) };
  const { term, index, data } = record.entry;
  const entry = { ...place, type: "entry", term, index };
  if (meaning === null) {
    return { ...entry, entry: data.length === 0 ? "empty" : "unknown", bytes: data.length };
  }
  if (meaning.kind !== "command") return { ...entry, entry: meaning.kind, ...plain(meaning) };
  const { origin, seq, command } = meaning;
  return { ...entry, entry: "command", origin, seq, command: commandOf(command) };
}

/** Its fields but `kind`. */
function plain(value: object): JsonObject {
  const { kind: _, ...fields } = JSON.parse(JSON.stringify(value)) as JsonObject;
  return fields;
}

function commandOf(bytes: Uint8Array): Json {
  try {
    return withoutSecrets(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as Json);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return `${bytes.length} bytes, unknown`;
    throw error;
  }
}
