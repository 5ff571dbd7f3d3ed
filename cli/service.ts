/**
 * The common part of `agent run` and `agent witness`: a configuration file that is read at the start and at
 * SIGHUP, a log of its own, signals, and the notices to systemd.
 */
import { readFileSync } from "node:fs";
import { Logger } from "../src/lib/log.ts";
import type { HeldSignals } from "../src/lib/held_signals.ts";
import { keepCodeLight } from "../src/lib/idle_code.ts";
import { reapOrphans } from "../src/lib/orphan_reaper.ts";
import { sendDatagram } from "../src/lib/ffi.ts";
import { type ServiceNotices, SystemdNotices } from "../src/lib/sd_notify.ts";
import { logOptions } from "../src/agent/compose/log_options.ts";
import type { RunningAgent } from "../src/agent/compose/running.ts";
import type { LocalConfig } from "../src/model/config.ts";
import { Issues, type LocatedIssue, placeOf } from "../src/config/issues.ts";
import type { ParsedConfig } from "../src/config/parse.ts";
import { type WrittenConfig, writtenConfig } from "../src/config/written.ts";
import { captureEnvironment, loadConfig } from "./config_source.ts";
import { checkPlaces } from "./validate_host.ts";
import { logDirectoryProblem } from "./log_directory.ts";

/** The parts of a service. */
export interface ServiceParts {
  readonly config: LocalConfig;
  /** Reads the file again; the first reason, with all of them logged, when it cannot be used. */
  readonly reload: () => LocalConfig | string;
  /** The file and the environment, as they were read last and could be used. */
  readonly written: () => WrittenConfig;
  readonly log: Logger;
  readonly exit: (code: number) => void;
  /** To systemd, where it has started this. */
  readonly notices: ServiceNotices;
}

/**
 * Runs until a signal ends it; ends the process itself. `start` is not called when the configuration cannot
 * be used.
 */
export function runService(
  command: "run" | "witness",
  file: string | null,
  start: (parts: ServiceParts) => RunningAgent,
  signals: HeldSignals,
): void {
  const environment = captureEnvironment();
  const witness = command === "witness";
  const parsed = loadConfig({ path: file, environment, witness });
  const errors = parsed.issues.filter((issue) => issue.severity === "error");
  const where = (issue: LocatedIssue) =>
    `${placeOf({ ...issue, file: issue.file ?? file ?? "environment" })}: ${issue.path}${
      issue.path === "" ? "" : ": "
    }${issue.message}`;
  if (parsed.missingRaft !== null) {
    return fail(
      command,
      `${file}: there is no raft section, and other stores (etcd, consul, ...) are not used. Add:\n\n${parsed.missingRaft}`,
    );
  }
  if (parsed.config === null || errors.length > 0) {
    const list = errors.map((issue) => `  ${where(issue)}`).join("\n");
    return fail(command, `the configuration cannot be used:\n${list}`);
  }
  const noLog = logDirectoryProblem(parsed.config.log.dir);
  if (noLog !== null) return fail(command, `log.dir: ${noLog}`);
  const log = new Logger(logOptions(parsed.config.log));
  const notices = new SystemdNotices({
    environment: process.env,
    pid: process.pid,
    send: sendDatagram,
    problem: (text) => log.warning("systemd", text),
  });
  reapOrphans();
  for (const issue of parsed.issues) log.warning("config", where(issue));
  // The agent does not end: its PostgreSQL may be running. Later failures do not name the key.
  const places = new Issues(parsed.locations, { file: parsed.config.file, line: null });
  checkPlaces(parsed.config, null, places);
  for (const issue of places.list) log.error("config", where(issue));

  let written = writtenConfig(parsed.mergedYaml, parsed.locations);
  const reload = () => {
    const again = loadConfig({ path: file, environment, witness, again: true });
    const config = usable(again, log, where);
    if (typeof config !== "string") written = writtenConfig(again.mergedYaml, again.locations);
    return config;
  };
  const exit = (code: number) => {
    process.exitCode = code;
    // One turn of the loop, so that the last log line leaves.
    setTimeout(() => process.exit(code), 10);
  };
  const running = start({ config: parsed.config, reload, written: () => written, log, exit, notices });
  signals.handle({
    SIGTERM: () => running.stop(),
    SIGINT: () => running.stop(),
    SIGHUP: () => running.reload(),
  });
  process.on("SIGABRT", () => process.exit(134));
  keepCodeLight((why) => log.debug("memory", `pages that only the start needed stay: ${why}`));
}

/** The configuration at a reload; where it cannot be used, the first reason, with all of them logged. */
function usable(
  { config, issues }: ParsedConfig,
  log: Logger,
  where: (issue: LocatedIssue) => string,
): LocalConfig | string {
  for (const issue of issues) log[issue.severity === "error" ? "error" : "warning"]("config", where(issue));
  const noLog = logDirectoryProblem(config?.log.dir ?? null);
  if (noLog !== null) log.error("config", `log.dir: ${noLog}`);
  if (config === null || noLog !== null) {
    log.error("config", "the configuration in force stays");
    const first = issues.find((issue) => issue.severity === "error");
    return first === undefined ? `log.dir: ${noLog}` : where(first);
  }
  log.configure(logOptions(config.log));
  return config;
}

/** Ends the process. */
export function fail(command: string, message: string): never {
  process.stderr.write(`agent ${command}: ${message}\n`);
  process.exit(1);
}

/** Makes root become that user, for good. Ends the process when that is impossible. */
export function becomeUser(command: string, user: string): void {
  if (process.getuid?.() !== 0) {
    fail(command, `--user ${user} needs root; you are an ordinary user already: leave it out`);
  }
  const entry = readFileSync("/etc/passwd", "utf8").split("\n").map((line) => line.split(":")).find((
    fields,
  ) => fields[0] === user);
  if (entry === undefined) return fail(command, `--user ${user}: there is no such user in /etc/passwd`);
  const [uid, gid] = [Number(entry[2]), Number(entry[3])];
  if (uid === 0) return fail(command, `--user ${user}: that is root again; name an ordinary user`);
  // The type definitions lack it, the runtime has it.
  (process as unknown as { initgroups(user: string, group: number): void }).initgroups(user, gid);
  process.setgid!(gid);
  process.setuid!(uid);
  process.env.HOME = entry[5];
  process.env.USER = user;
}
