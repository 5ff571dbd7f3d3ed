/** Decides what `agent install-service` does with what it has found on this host. Pure. */
import { unifiedDiff } from "../ctl/unified_diff.ts";
import { optionsProblem, UNIT_DEFAULTS, unitName, type UnitOptions, unitText } from "./unit.ts";

/** What is at the place of the unit file. */
export type Present =
  | { readonly kind: "nothing" }
  | { readonly kind: "file"; readonly text: string }
  /** A masked unit is one to /dev/null. */
  | { readonly kind: "link"; readonly to: string }
  /** A directory, a pipe, a device. */
  | { readonly kind: "no-file" };

export interface Host {
  readonly isRoot: boolean;
  /** It is the service manager of this host, now. */
  readonly systemdRuns: boolean;
  readonly userExists: boolean;
  readonly config: "file" | "nothing" | "no-file";
  /** In ADMIN_DIRECTORY. */
  readonly present: Present;
  /** The unit that a package has installed; null: none. */
  readonly packaged: { readonly path: string; readonly text: string } | null;
}

export interface Wish extends UnitOptions {
  readonly force: boolean;
  readonly dryRun: boolean;
}

export type InstallPlan =
  | { readonly kind: "refused"; readonly code: 1 | 2; readonly lines: readonly string[] }
  | { readonly kind: "done-already"; readonly lines: readonly string[] }
  | {
    readonly kind: "write";
    readonly path: string;
    readonly text: string;
    /** The present file is kept beside it. */
    readonly keepPresent: boolean;
    readonly lines: readonly string[];
  };

/** Units here win over those of packages, and no package writes here. */
export const ADMIN_DIRECTORY = "/etc/systemd/system";

export function installPlan(wish: Wish, host: Host): InstallPlan {
  const problem = optionsProblem(wish);
  if (problem !== null) return { kind: "refused", code: 2, lines: [`Error: ${problem}`] };
  const path = `${ADMIN_DIRECTORY}/${unitName(wish.witness)}`;
  const cannot = cannotInstall(wish, host, path);
  if (cannot !== null) return { kind: "refused", code: 1, lines: [`Error: ${cannot}`] };
  if (host.config === "no-file") {
    return {
      kind: "refused",
      code: 1,
      lines: [`Error: ${wish.config} is no file that a service could read`],
    };
  }
  const text = unitText(wish);
  const { present, packaged } = host;
  if (present.kind === "no-file") {
    return { kind: "refused", code: 1, lines: [`Error: ${path} is no file, and is left alone: remove it`] };
  }
  if (present.kind === "link") {
    return { kind: "refused", code: 1, lines: [`Error: ${linked(path, present.to)}`] };
  }
  if (present.kind === "file" && present.text === text) {
    return { kind: "done-already", lines: [`${path} is this unit already.`, ...notes(wish, host)] };
  }
  if (present.kind === "file" && !wish.force) {
    return { kind: "refused", code: 1, lines: differs(path, present.text, text) };
  }
  if (present.kind === "nothing" && packaged?.text === text) {
    return {
      kind: "done-already",
      lines: [`The package's ${packaged.path} is this unit already.`, ...notes(wish, host)],
    };
  }
  const instead = present.kind === "nothing" && packaged !== null
    ? [`It takes the place of the package's ${packaged.path}, also after an upgrade of the package.`]
    : [];
  const keepPresent = present.kind === "file";
  return { kind: "write", path, text, keepPresent, lines: [...instead, ...notes(wish, host)] };
}

/** `--dry-run` asks for no rights. */
function cannotInstall({ dryRun, witness, user }: Wish, host: Host, path: string): string | null {
  if (!dryRun && !host.systemdRuns) {
    return "systemd does not run on this host (there is no /run/systemd/system), so that no unit can be installed. " +
      "For an image, or for another service manager to learn from: agent install-service --print";
  }
  if (!dryRun && !host.isRoot) {
    return `only root may write ${path}: run this with sudo, or give an administrator what ` +
      "agent install-service --print says";
  }
  if (host.userExists) return null;
  return witness
    ? `there is no user ${user}. Make it (useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin ` +
      `${user}), or name another one by --user`
    : `there is no user ${user}. Name the owner of PostgreSQL's data directory by --user; Debian's packages of ` +
      "PostgreSQL make postgres";
}

function linked(path: string, to: string): string {
  const { name } = /\/(?<name>[^/]+)$/.exec(path)!.groups!;
  return to === "/dev/null"
    ? `${name} is masked: systemctl unmask ${name}`
    : `${path} is a link to ${to}, which is left alone: remove it, or change that file`;
}

function differs(path: string, present: string, text: string): readonly string[] {
  const [, , ...diff] = unifiedDiff(present, text);
  return [
    `--- ${path}`,
    "+++ agent install-service",
    ...diff,
    `Error: ${path} is another one, and stays as it is. What you have set there belongs into a drop-in ` +
    "(systemctl edit), which wins over the unit and outlives it. --force writes the new unit, and keeps this one " +
    `as ${path}.old`,
    ...(configOf(present) === configOf(text) ? [] : [
      "It is for another configuration. Where both are to run, on one host, the second one is a unit of another name, " +
      "with a StateDirectory= of its own: --print shows what to begin with",
    ]),
  ];
}

function configOf(unit: string): string | undefined {
  return /^AssertPathExists=(.*)$/m.exec(unit)?.[1];
}

function notes({ config, witness, user }: Wish, host: Host): readonly string[] {
  const sockets = witness || user === UNIT_DEFAULTS.member.user ? [] : [
    `/run/postgresql belongs to postgres, and is left to it: ${user} has /run/agent for PostgreSQL's socket ` +
    "(unix_socket_directories), or has to be in the group postgres",
  ];
  if (host.config === "file") return sockets;
  const check = witness ? "validate-config --witness" : "validate-config";
  return [
    ...sockets,
    `${config} does not exist yet, and the service does not start without it: agent ${check} ${config}`,
  ];
}
