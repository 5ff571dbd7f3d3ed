/** `agent run FILE`: one member of a cluster, in the foreground. */
import { readFileSync } from "node:fs";
import { startAgent } from "../src/agent/agent.ts";
import { type KeptDevice, openBeforeDroppingPrivileges } from "../src/guard/open_watchdog.ts";
import { WatchdogMark } from "../src/guard/watchdog_mark.ts";
import { StreamSink } from "../src/lib/line_sink.ts";
import { Logger, type LogOptions, parseLevel } from "../src/lib/log.ts";
import { reapOrphans } from "../src/lib/orphan_reaper.ts";
import { RotatingFile } from "../src/lib/rotating_file.ts";
import { notifySystemd, takeNotifySocket } from "../src/lib/sd_notify.ts";
import type { LocalConfig, LogConfig } from "../src/model/config.ts";
import { captureEnvironment, loadConfig } from "./config_source.ts";

export interface RunOptions {
  /** Ordinary user to become when started as root. */
  readonly user?: string;
  /** Command line of a guard of this executable. */
  readonly guardCommand: readonly string[];
}

/** Runs until a signal ends it; ends the process itself. */
export function runCommand(file: string | null, options: RunOptions): void {
  const keptWatchdog = openWatchdog(file, options.user ?? null);
  dropPrivileges(options.user ?? null);
  const environment = captureEnvironment();
  takeNotifySocket(process.env);
  const parsed = loadConfig({ path: file, environment });
  const errors = parsed.issues.filter((issue) => issue.severity === "error");
  const where = (issue: typeof parsed.issues[number]) =>
    `${issue.file ?? file ?? "environment"}${issue.line === null ? "" : `:${issue.line}`}: ${issue.path}${
      issue.path === "" ? "" : ": "
    }${issue.message}`;
  if (parsed.missingRaft !== null) {
    return fail(
      `${file}: there is no raft section, and other stores (etcd, consul, ...) are not used. Add:\n\n${parsed.missingRaft}`,
    );
  }
  if (parsed.config === null || errors.length > 0) {
    return fail(
      `the configuration cannot be used:\n${errors.map((issue) => `  ${where(issue)}`).join("\n")}`,
    );
  }
  const log = new Logger(logOptions(parsed.config.log));
  reapOrphans();
  for (const issue of parsed.issues) log.warning("config", where(issue));

  const reload = (): LocalConfig | null => {
    const again = loadConfig({ path: file, environment });
    for (const issue of again.issues) {
      log[issue.severity === "error" ? "error" : "warning"]("config", where(issue));
    }
    if (again.config === null) log.error("config", "the configuration in force stays");
    else log.configure(logOptions(again.config.log));
    return again.config;
  };
  const exit = (code: number) => {
    process.exitCode = code;
    // One turn of the loop, so that the last log line leaves.
    setTimeout(() => process.exit(code), 10);
  };
  const agent = startAgent({
    config: parsed.config,
    reload,
    log,
    guardCommand: options.guardCommand,
    keptWatchdog,
    exit,
  });
  const stop = () => {
    notifySystemd("STOPPING");
    agent.stop();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.on("SIGHUP", () => {
    notifySystemd("RELOADING");
    agent.reload();
    notifySystemd("READY");
  });
  process.on("SIGABRT", () => process.exit(134));
  notifySystemd("READY");
}

function fail(message: string): void {
  process.stderr.write(`agent run: ${message}\n`);
  process.exit(1);
}

function logOptions(config: LogConfig): LogOptions {
  return {
    level: parseLevel(config.level) ?? "info",
    type: config.type,
    staticFields: config.staticFields as LogOptions["staticFields"],
    sink: config.dir === null ? new StreamSink(2) : new RotatingFile({
      dir: config.dir,
      fileNum: config.fileNum,
      fileSizeBytes: config.fileSizeBytes,
      mode: config.mode ?? undefined,
    }),
  };
}

/**
 * As root, before privileges are dropped: the device that the configuration names, which belongs to root on most hosts.
 * What is wrong with the configuration is said later, when it is read again as the ordinary user.
 */
function openWatchdog(file: string | null, user: string | null): KeptDevice | null {
  if (process.getuid?.() !== 0 || user === null) return null;
  const { config } = loadConfig({ path: file, environment: captureEnvironment({ ...process.env }) });
  if (config === null || config.watchdog.mode === "off" || config.watchdog.driver !== "default") return null;
  const { device } = config.watchdog;
  return openBeforeDroppingPrivileges(device, user, new WatchdogMark(config.raft.dataDir).read() === device);
}

/** PostgreSQL refuses to run as root, so the agent does too, unless it is told whom to become. */
function dropPrivileges(user: string | null): void {
  if (process.getuid?.() !== 0) {
    if (user !== null) fail(`--user ${user} needs root; you are an ordinary user already: leave it out`);
    return;
  }
  if (user === null) {
    fail(
      "PostgreSQL refuses to run as root. Start the agent as the user that owns the data directory, or add --user NAME (for example --user postgres)",
    );
  }
  const entry = readFileSync("/etc/passwd", "utf8").split("\n").map((line) => line.split(":")).find((
    fields,
  ) => fields[0] === user);
  if (entry === undefined) return fail(`--user ${user}: there is no such user in /etc/passwd`);
  const [uid, gid] = [Number(entry[2]), Number(entry[3])];
  if (uid === 0) return fail(`--user ${user}: that is root again; name an ordinary user`);
  // The type definitions lack it, the runtime has it.
  (process as unknown as { initgroups(user: string, group: number): void }).initgroups(user!, gid);
  process.setgid!(gid);
  process.setuid!(uid);
  process.env.HOME = entry[5];
  process.env.USER = user!;
}
