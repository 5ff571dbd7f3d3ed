/**
 * A configuration against the host it is on: programs, directories, certificates, ports, watchdog. Writes
 * nothing.
 */
import { accessSync, constants, readdirSync, readFileSync, statSync } from "node:fs";
import type { Stats } from "node:fs";
import { createServer } from "node:net";
import { createSecureContext } from "node:tls";
import { dirname, join } from "node:path";
import { ownPartners } from "../src/agent/compose/own_partners.ts";
import { alsoStandsFor, ownCertificateFlaw } from "../src/agent/compose/raft_certificate.ts";
import { ownedByAnother } from "../src/guard/directory_owner.ts";
import type { HostPort, LocalConfig, PostgresqlConfig } from "../src/model/config.ts";
import type { Issues, Path } from "../src/config/issues.ts";
import { listenersOf } from "../src/config/ports.ts";
import { formatHostPort } from "../src/model/host_port.ts";
import { missingProgram } from "../src/postgres/hook_program.ts";
import { findPrograms, ProgramsError, withoutWaldump } from "../src/postgres/programs.ts";
import { logDirectoryProblem } from "./log_directory.ts";
import { STATE_DIRECTORIES } from "./systemd/unit.ts";

export async function checkHost(
  config: LocalConfig,
  ignorePortInUse: boolean,
  issues: Issues,
): Promise<void> {
  checkFileMode(config.file, issues);
  let major: number | null = null;
  if (config.postgresql) {
    major = checkPrograms(config.postgresql, issues);
    const taken = ownedByAnother(config.postgresql.dataDir, config.raft.dataDir);
    if (taken !== null) issues.error(["postgresql", "data_dir"], taken);
  }
  checkPlaces(config, major, issues);
  for (const [path, file] of certificateFiles(config)) checkReadable(path, file, issues);
  checkRaftCertificate(config, issues);
  checkCiphers(config.restapi.ciphers, issues);
  checkCommands(config, issues);
  const noLog = logDirectoryProblem(config.log.dir);
  if (noLog !== null) issues.error(["log", "dir"], noLog);
  const { decisions } = config.log;
  const noDecisions = logDirectoryProblem(decisions === null ? null : dirname(decisions));
  if (noDecisions !== null) issues.error(["log", "decisions"], noDecisions);
  checkWatchdog(config.watchdog, issues);
  for (const { at, problem } of await ownPartners(config)) {
    issues.error(["raft", "partner_addrs", at], problem);
  }
  for (const { path, addresses } of listenersOf(config)) {
    for (const address of addresses) {
      if (address.port !== 0) await checkPort(path, address, ignorePortInUse, issues);
    }
  }
}

/** The file usually holds passwords of superusers. */
function checkFileMode(file: string, issues: Issues): void {
  const found = stat(file);
  if (found?.isFile() && (found.mode & 0o004) !== 0) {
    issues.warning([], `${file} can be read by every user of this host: chmod 600`);
  }
}

/**
 * Directories that this user has to be able to use. `major`: of the programs; null: not known. Looks, and
 * runs nothing.
 */
export function checkPlaces(config: LocalConfig, major: number | null, issues: Issues): void {
  const { postgresql, raft } = config;
  checkWritableDirectory(["raft", "data_dir"], raft.dataDir, issues);
  if (postgresql === null) return;
  checkDataDirectory(postgresql.dataDir, major, issues);
  checkWritableDirectory(["postgresql", "pgpass"], dirname(postgresql.pgpass), issues);
}

function checkPrograms(config: PostgresqlConfig, issues: Issues): number | null {
  let major: number | null = null;
  try {
    const programs = findPrograms(config);
    major = programs.major;
    const lacks = withoutWaldump(programs);
    if (lacks !== null) issues.warning(["postgresql", "bin_dir"], lacks);
  } catch (error) {
    if (!(error instanceof ProgramsError)) throw error;
    issues.error(["postgresql", "bin_dir"], error.message);
  }
  if (process.getuid?.() === 0) {
    issues.warning(
      ["postgresql"],
      "checked as root; PostgreSQL refuses to run as root: start the agent as the owner of the data directory",
    );
  }
  return major;
}

function checkDataDirectory(dataDir: string, major: number | null, issues: Issues): void {
  const path = ["postgresql", "data_dir"];
  const found = stat(dataDir);
  if (found === null) return checkWritableDirectory(path, dataDir, issues);
  if (!found.isDirectory()) return issues.error(path, `${dataDir} is not a directory`);
  const uid = process.getuid?.();
  if (uid !== undefined && uid !== 0 && found.uid !== uid) {
    issues.error(
      path,
      `${dataDir} belongs to another user (uid ${found.uid}, this is ${uid}): PostgreSQL would refuse it`,
    );
  }
  const names = readNames(dataDir);
  if (names === null) return issues.error(path, `${dataDir} cannot be read`);
  if (!mayAccess(dataDir, constants.W_OK | constants.X_OK)) {
    issues.error(path, `${dataDir} cannot be written`);
  }
  const content = names.filter((name) => name !== "lost+found" && !name.startsWith("agent."));
  if (content.length === 0) return;
  const mode = found.mode & 0o777;
  if (mode !== 0o700 && mode !== 0o750) {
    issues.error(path, `${dataDir} has permissions 0${mode.toString(8)}: PostgreSQL wants 0700 or 0750`);
  }
  // Half-written: the agent moves it aside or empties it itself.
  if (names.includes("agent.unfinished")) return;
  const version = readVersion(dataDir);
  if (version === null || !names.includes("global")) {
    issues.error(path, `${dataDir} is not empty and not a PostgreSQL data directory`);
  } else if (major !== null && version !== String(major)) {
    issues.error(
      path,
      `${dataDir} belongs to PostgreSQL ${version}, the programs to ${major}: set postgresql.bin_dir`,
    );
  }
}

/** It exists and can be written, or the nearest directory above it can. */
function checkWritableDirectory(path: Path, directory: string, issues: Issues): void {
  let existing = directory;
  let missing: string | null = null;
  while (stat(existing) === null && dirname(existing) !== existing) {
    missing = existing;
    existing = dirname(existing);
  }
  if (!stat(existing)?.isDirectory()) return issues.error(path, `${existing} is not a directory`);
  if (mayAccess(existing, constants.W_OK | constants.X_OK)) return;
  if (missing === null) return issues.error(path, `${directory} cannot be written`);
  const later = madeByService(missing);
  if (later !== null) return issues.warning(path, `${directory} does not exist yet: ${later}`);
  issues.error(path, `${directory} does not exist and cannot be made: ${existing} cannot be written`);
}

/**
 * Before the first start: the check is made by the user of the service, who may not write into /var/lib.
 * null: the unit does not make that directory.
 */
export function madeByService(missing: string): string | null {
  const name = Object.values(STATE_DIRECTORIES).find((name) => missing === `/var/lib/${name}`);
  return name === undefined
    ? null
    : `the service's unit makes ${missing} when it starts (StateDirectory=${name})`;
}

function certificateFiles({ raft, restapi, ctl }: LocalConfig): [Path, string][] {
  const files: [Path, string | null][] = [
    [["raft", "tls", "certfile"], raft.tls?.certfile ?? null],
    [["raft", "tls", "keyfile"], raft.tls?.keyfile ?? null],
    [["raft", "tls", "cafile"], raft.tls?.cafile ?? null],
    [["restapi", "certfile"], restapi.certfile],
    [["restapi", "keyfile"], restapi.keyfile],
    [["restapi", "cafile"], restapi.cafile],
    [["ctl", "cacert"], ctl.cacert],
    [["ctl", "certfile"], ctl.certfile],
    [["ctl", "keyfile"], ctl.keyfile],
  ];
  const seen = new Set<string>();
  return files.flatMap(([path, file]): [Path, string][] => {
    if (file === null || seen.has(file)) return [];
    seen.add(file);
    return [[path, file]];
  });
}

/**
 * Programs that PostgreSQL's life depends on, and a file that it includes. Those without a slash are found by
 * PATH.
 */
function checkCommands({ postgresql, bootstrap }: LocalConfig, issues: Issues): void {
  if (postgresql === null) return;
  const { callbacks, prePromote, beforeStop, customConf } = postgresql;
  const commands: readonly [Path, string | null][] = [
    ...Object.entries(callbacks).map(([event, command]): [Path, string] => [
      ["postgresql", "callbacks", event],
      command,
    ]),
    [["postgresql", "pre_promote"], prePromote],
    [["postgresql", "before_stop"], beforeStop],
    ...postgresql.createReplicaMethods.flatMap((method): [Path, string][] =>
      method === "basebackup" ? [] : [[["postgresql", method.name, "command"], method.command]]
    ),
    [["bootstrap", "post_bootstrap"], bootstrap.postBootstrap],
    [["bootstrap", bootstrap.custom?.name ?? "method", "command"], bootstrap.custom?.command ?? null],
  ];
  for (const [path, command] of commands) {
    const program = missingProgram(command, null);
    if (program !== null) issues.error(path, `${program} does not exist or cannot be run by this user`);
  }
  if (customConf?.startsWith("/")) checkReadable(["postgresql", "custom_conf"], customConf, issues);
}

function checkReadable(path: Path, file: string, issues: Issues): void {
  if (!mayAccess(file, constants.R_OK)) issues.error(path, `${file} does not exist or cannot be read`);
}

/** Ciphers are known to the library that the program is made with, and to nobody else. */
function checkCiphers(ciphers: string | null, issues: Issues): void {
  if (ciphers === null) return;
  try {
    createSecureContext({ ciphers });
  } catch (error) {
    if (!/cipher/i.test(String(error))) throw error;
    issues.error(["restapi", "ciphers"], `${JSON.stringify(ciphers)} names no cipher that is known here`);
  }
}

/** The agent refuses at its start a certificate that the other members would refuse. */
function checkRaftCertificate(config: LocalConfig, issues: Issues): void {
  const file = config.raft.tls?.certfile;
  if (file === undefined || !mayAccess(file, constants.R_OK)) return;
  const path = ["raft", "tls", "certfile"];
  const cert = readFileSync(file, "utf8");
  const flaw = ownCertificateFlaw(cert, config);
  if (flaw !== null) return issues.error(path, `${file}: ${flaw}`);
  for (const addr of alsoStandsFor(cert, config)) {
    issues.warning(
      path,
      `${file} stands for the member at ${addr} as well: a host that gets hold of it can pose as either. Give each member a ` +
        "certificate with its own address alone",
    );
  }
}

function checkWatchdog({ mode, device, driver }: LocalConfig["watchdog"], issues: Issues): void {
  if (mode === "off" || driver === "testing" || mayAccess(device, constants.W_OK)) return;
  const why = stat(device) === null ? "does not exist" : "cannot be written by this user";
  if (mode === "required") {
    issues.error(
      ["watchdog", "device"],
      `${device} ${why}, and with watchdog.mode: required this member would never become primary`,
    );
  } else if (stat(device) !== null) {
    issues.warning(["watchdog", "device"], `${device} ${why}: this member runs without a watchdog`);
  }
}

async function checkPort(path: Path, address: HostPort, ignoreInUse: boolean, issues: Issues): Promise<void> {
  const code = await tryListen(address);
  const text = formatHostPort(address);
  switch (code) {
    case null:
      return;
    case "EADDRINUSE":
      if (!ignoreInUse) {
        issues.error(path, `${text} is in use already (while the member runs: --ignore-listen-port)`);
      }
      return;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return issues.error(path, `${text} is no address of this host: name one that is`);
    case "EACCES":
      return issues.error(path, `${text}: this user may not listen on a port below 1024`);
    default:
      issues.error(path, `${text}: cannot listen (${code})`);
  }
}

/** null: free. Otherwise the error's code. */
function tryListen({ host, port }: HostPort): Promise<string | null> {
  return new Promise((done) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    server.listen(
      { port, host: host === "*" ? undefined : host, exclusive: true },
      () => server.close(() => done(null)),
    );
  });
}

/** null: it is not there, or this user may not see it. */
function stat(path: string): Stats | null {
  try {
    return statSync(path);
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
}

function mayAccess(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch (error) {
    if (isSystemError(error)) return false;
    throw error;
  }
}

function readNames(directory: string): string[] | null {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
}

function readVersion(dataDir: string): string | null {
  try {
    return readFileSync(join(dataDir, "PG_VERSION"), "utf8").trim();
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error;
}
