/** The keys of the section log. */
import type * as z from "zod";
import { anything, bool, fileMode, integer, json, nonEmptyFile, oneLine, oneOf, section } from "../fields.ts";
import { MAX_COUNT } from "../../model/limits.ts";
import { key } from "./row.ts";

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
  format: key(anything, {
    default: "`%(asctime)s %(levelname)s: %(message)s`",
    meaning:
      "as in Python, with `asctime levelname levelno message name module process processName threadName " +
      "created msecs`; `name` is the event. With `json`: a list of those, `- {levelname: level}` gives one another " +
      "name. A format with anything else is not used, with a warning",
  }),
  dateformat: key(oneLine, {
    default: "`%Y-%m-%d %H:%M:%S` and milliseconds",
    meaning:
      "as in strftime: `%Y %y %m %d %e %H %I %M %S %p %a %A %b %B %j %s %F %T %R %D %z`; one with anything " +
      "else is not used, with a warning",
  }),
  loggers: key(json, {
    default: "none",
    meaning:
      "levels by the beginning of the event, `{raft: DEBUG, decision.keeper: WARNING}`; Patroni's names " +
      "(`patroni.ha`, `patroni.api`, ...) stand for the events of theirs",
  }),
  traceback_level: key(level, {
    default: "`ERROR`",
    meaning: "`DEBUG`: stacks of calls are a part of the lines only where the level is `DEBUG`",
  }),
  max_queue_size: key(integer(1, MAX_COUNT), {
    default: "`1000`",
    meaning: "lines that wait while standard error is not read; what is more is counted, told of, and lost",
  }),
  deduplicate_heartbeat_logs: key(bool, {
    default: "always so",
    meaning: "`false` has no effect: a look that finds nothing new is never a line",
  }),
});

export type LogSection = z.output<typeof logSchema>;
