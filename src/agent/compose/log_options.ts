/** The log as the file asks for it: where its lines go, which ones, and how they look. */
import { StreamSink } from "../../lib/line_sink.ts";
import { type LogOptions, parseLevel } from "../../lib/log.ts";
import { RotatingFile } from "../../lib/rotating_file.ts";
import type { LogConfig } from "../../model/config.ts";

/** One for the life of the process: what waits in it is not lost with a reload. */
const STANDARD_ERROR = new StreamSink(2);

export function logOptions(config: LogConfig): LogOptions {
  STANDARD_ERROR.maxQueued = config.maxQueueSize;
  const level = (name: LogConfig["level"]) => parseLevel(name) ?? "info";
  return {
    level: level(config.level),
    levels: Object.fromEntries(Object.entries(config.loggers).map(([event, name]) => [event, level(name)])),
    tracebackLevel: level(config.tracebackLevel),
    type: config.type,
    format: config.format,
    dateFormat: config.dateFormat,
    jsonFields: config.jsonFields,
    staticFields: config.staticFields as LogOptions["staticFields"],
    sink: config.dir === null ? STANDARD_ERROR : new RotatingFile({
      dir: config.dir,
      fileNum: config.fileNum,
      fileSizeBytes: config.fileSizeBytes,
      mode: config.mode ?? undefined,
      fallback: STANDARD_ERROR,
    }),
  };
}
