/**
 * `agent install-service`: writes the unit of this program for systemd. Starts and enables nothing, and
 * replaces no unit without being told to.
 */
import { spawnSync } from "node:child_process";
import { existsSync, linkSync, lstatSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { replaceFile } from "../../src/lib/replace_file.ts";
import { errorCode } from "../../src/postgres/disk.ts";
import { singleQuoted } from "../shell_word.ts";
import { ADMIN_DIRECTORY, type Host, type InstallPlan, installPlan, type Present } from "./install_plan.ts";
import { optionsProblem, UNIT_DEFAULTS, unitName, type UnitOptions, unitText } from "./unit.ts";

export interface InstallServiceOptions {
  readonly config: string | null;
  readonly user: string | null;
  readonly witness: boolean;
  /** Only shows the unit. */
  readonly print: boolean;
  readonly dryRun: boolean;
  readonly force: boolean;
  /** Command line that starts this program. */
  readonly program: readonly string[];
  readonly write: (line: string) => void;
  readonly writeError: (line: string) => void;
}

const PACKAGE_DIRECTORIES = [
  "/usr/local/lib/systemd/system",
  "/usr/lib/systemd/system",
  "/lib/systemd/system",
];

/** Returns the exit code. */
export function installServiceCommand(options: InstallServiceOptions): number {
  const { witness, program, print, dryRun, force, write, writeError } = options;
  if (program.length > 1) {
    writeError(
      "Error: a service runs the compiled program, and this one runs from its source: npm run compile",
    );
    return 1;
  }
  const defaults = UNIT_DEFAULTS[witness ? "witness" : "member"];
  const unit: UnitOptions = {
    witness,
    program: program[0]!,
    config: options.config === null ? defaults.config : resolve(options.config),
    user: options.user ?? defaults.user,
  };
  // Before anything is asked about them: no program can be started with a NUL in a name.
  const problem = optionsProblem(unit);
  if (problem !== null) {
    writeError(`Error: ${problem}`);
    return 2;
  }
  if (print) {
    write(unitText(unit).trimEnd());
    return 0;
  }
  const plan = installPlan({ ...unit, dryRun, force }, lookAround(unit));
  const say = plan.kind === "refused" ? writeError : write;
  if (plan.kind === "write") {
    if (!dryRun) return install(plan, unit, options);
    const kept = plan.keepPresent ? `, and keep the present one as ${plan.path}.old` : "";
    write(`Would write ${plan.path}${kept}:`);
    write("");
    write(plan.text);
  }
  plan.lines.forEach(say);
  return plan.kind === "refused" ? plan.code : 0;
}

function lookAround({ witness, config, user }: UnitOptions): Host {
  const name = unitName(witness);
  const packaged = PACKAGE_DIRECTORIES.map((directory) => `${directory}/${name}`).find(existsSync);
  return {
    isRoot: process.getuid?.() === 0,
    systemdRuns: existsSync("/run/systemd/system"),
    // By the name service, as systemd will: users need not be in /etc/passwd.
    userExists: spawnSync("id", ["-u", "--", user], { stdio: "ignore" }).status === 0,
    config: configAt(config),
    present: presentAt(`${ADMIN_DIRECTORY}/${name}`),
    packaged: packaged === undefined ? null : { path: packaged, text: readFileSync(packaged, "utf8") },
  };
}

function presentAt(path: string): Present {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return { kind: "nothing" };
  if (found.isSymbolicLink()) return { kind: "link", to: readlinkSync(path) };
  return found.isFile() ? { kind: "file", text: readFileSync(path, "utf8") } : { kind: "no-file" };
}

/** A directory stands for the files in it. What cannot even be looked at is no name of a file. */
function configAt(path: string): Host["config"] {
  try {
    const found = statSync(path);
    return found.isFile() || found.isDirectory() ? "file" : "no-file";
  } catch (error) {
    const code = errorCode(error);
    if (code === null) throw error;
    return code === "ENOENT" ? "nothing" : "no-file";
  }
}

function install(
  { path, text, keepPresent, lines }: Extract<InstallPlan, { kind: "write" }>,
  unit: UnitOptions,
  { write, writeError }: InstallServiceOptions,
): number {
  try {
    replaceUnit(path, text, (kept) => write(`Kept: ${kept}, the unit that was there.`), keepPresent);
  } catch (error) {
    writeError(`Error: cannot write ${path}: ${error instanceof Error ? error.message : error}`);
    return 1;
  }
  write(`Written: ${path}. Nothing was started.`);
  lines.forEach(write);
  const reloaded = spawnSync("systemctl", ["daemon-reload"], { encoding: "utf8" });
  if (reloaded.status !== 0) {
    writeError(`Error: systemctl daemon-reload: ${reloaded.error?.message ?? reloaded.stderr.trim()}`);
    return 1;
  }
  write(`Next: ${nextCommand(unit)}`);
  return 0;
}

/** By the program and the user of the unit: root may read and start more than that user. */
export function nextCommand({ program, config, user, witness }: UnitOptions): string {
  const word = (text: string) => /^[\w@./:+,=%-]+$/.test(text) ? text : singleQuoted(text);
  return `runuser -u ${word(user)} -- ${word(program)} validate-config ${witness ? "--witness " : ""}${
    word(config)
  } && systemctl enable --now ${unitName(witness)}`;
}

/**
 * Everybody may read a unit, and --dry-run needs no rights. `keep`: the present one stays beside it, and so
 * does what was kept before. A disk that is full is found before anything has changed.
 */
export function replaceUnit(path: string, text: string, onKept: (kept: string) => void, keep: boolean): void {
  replaceFile(path, text, {
    mode: 0o644,
    durable: true,
    beforeTheStep: () => {
      if (!keep) return;
      const kept = unusedName(`${path}.old`);
      linkSync(path, kept);
      onKept(kept);
    },
  });
}

function unusedName(name: string): string {
  let free = name;
  for (let number = 2; lstatSync(free, { throwIfNoEntry: false }) !== undefined; number++) {
    free = `${name}.${number}`;
  }
  return free;
}
