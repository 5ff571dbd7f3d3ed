/** The keys of the section log. */
import type * as z from "zod";
import { anything, bool, fileMode, integer, json, nonEmptyFile, oneOf, section } from "../fields.ts";
import { MAX_COUNT } from "../../model/limits.ts";
import { key, NO_EFFECT } from "./row.ts";

const level = oneOf(["debug", "info", "warn", "warning", "error", "fatal", "critical"]);
const ROTATION = { default: "`4`, `25000000` B", meaning: "rotation" };

export const logSchema = section({
  type: key(oneOf(["plain", "json"]), { default: "`plain`", meaning: "or `json`" }),
  level: key(level, {
    default: "`INFO`",
    meaning: "`DEBUG INFO WARNING ERROR CRITICAL` (also `WARN`, `FATAL`)",
  }),
  dir: key(nonEmptyFile, { default: "standard error", meaning: "directory of log files, rotated" }),
  mode: key(fileMode, { default: "umask", meaning: "permissions of the files, `0640`" }),
  file_num: key(integer(0, 1000), ROTATION),
  file_size: key(integer(1, 2 ** 40, "B"), ROTATION),
  decisions: key(nonEmptyFile, {
    default: "not recorded",
    meaning: "file of the decisions with what they were made of, for `agent replay`; rotated as above",
  }),
  static_fields: key(json, { meaning: "map added to every line of type `json`" }),
  format: key(anything, NO_EFFECT),
  dateformat: key(anything, NO_EFFECT),
  loggers: key(json, NO_EFFECT),
  traceback_level: key(level, NO_EFFECT),
  max_queue_size: key(integer(1, MAX_COUNT), NO_EFFECT),
  deduplicate_heartbeat_logs: key(bool, NO_EFFECT),
});

export type LogSection = z.output<typeof logSchema>;
