/** `agent install-service`: what it does with what it finds on a host. */
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Host, type InstallPlan, installPlan, type Wish } from "./install_plan.ts";
import { installServiceCommand, nextCommand, replaceUnit } from "./install_service.ts";
import { UNIT_DEFAULTS, unitText } from "./unit.ts";

const WISH: Wish = { ...UNIT_DEFAULTS.member, force: false, dryRun: false };
const HOST: Host = {
  isRoot: true,
  systemdRuns: true,
  userExists: true,
  config: "file",
  present: { kind: "nothing" },
  packaged: null,
};
const TEXT = unitText(WISH);
const PATH = "/etc/systemd/system/agent.service";
const plan = (host: Partial<Host>, wish: Partial<Wish> = {}) =>
  installPlan({ ...WISH, ...wish }, { ...HOST, ...host });
const said = ({ lines }: InstallPlan) => lines.join("\n");

test("a new unit is written", () => {
  expect(plan({})).toEqual({ kind: "write", path: PATH, text: TEXT, keepPresent: false, lines: [] });
  expect(plan({}, { ...UNIT_DEFAULTS.witness })).toMatchObject({
    kind: "write",
    path: "/etc/systemd/system/agent-witness.service",
  });
});

test("a unit that is there already is left alone", () => {
  expect(plan({ present: { kind: "file", text: TEXT } }).kind).toBe("done-already");
});

test("a unit that somebody has changed is shown, not overwritten, but by --force, which keeps it", () => {
  const changed = {
    present: { kind: "file", text: TEXT.replace("WatchdogSec=30", "WatchdogSec=60") },
  } as const;
  const refused = plan(changed);
  expect(refused).toMatchObject({ kind: "refused", code: 1 });
  expect(said(refused)).toContain("-WatchdogSec=60\n+WatchdogSec=30\n");
  expect(said(refused)).toContain("systemctl edit");
  expect(plan(changed, { force: true })).toMatchObject({ kind: "write", keepPresent: true, text: TEXT });
});

test("each unit that --force has replaced is kept, and systemd sees the old one or the new one", () => {
  const directory = mkdtempSync(join(tmpdir(), "agent-unit-"));
  try {
    const path = join(directory, "agent.service");
    const kept: string[] = [];
    const replace = (text: string, keep: boolean) => replaceUnit(path, text, (name) => kept.push(name), keep);
    replace("first", false);
    replace("second", true);
    replace("third", true);
    expect(kept).toEqual([`${path}.old`, `${path}.old.2`]);
    expect([...kept, path].map((name) => readFileSync(name, "utf8"))).toEqual(["first", "second", "third"]);
    // Nothing has changed when the new one cannot be written.
    mkdirSync(join(directory, ".agent.service.new"));
    expect(() => replace("fourth", true)).toThrow();
    expect(readFileSync(path, "utf8")).toBe("third");
    expect(kept).toHaveLength(2);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("what comes next is tried by the user and the program of the unit", () => {
  expect(nextCommand(UNIT_DEFAULTS.member)).toBe(
    "runuser -u postgres -- /usr/local/bin/agent validate-config /etc/agent.yml && systemctl enable --now agent.service",
  );
  expect(nextCommand({ ...UNIT_DEFAULTS.witness, config: "/etc/it's $(here).yml" })).toContain(
    " validate-config --witness '/etc/it'\\''s $(here).yml' && ",
  );
});

test("a link is left alone, also with --force", () => {
  const masked = plan({ present: { kind: "link", to: "/dev/null" } }, { force: true });
  expect(masked.kind).toBe("refused");
  expect(said(masked)).toContain("systemctl unmask agent.service");
  expect(said(plan({ present: { kind: "link", to: "/srv/agent.service" } }))).toContain("/srv/agent.service");
});

test("what is no file at the place of the unit, or of the configuration, is left alone", () => {
  expect(said(plan({ present: { kind: "no-file" } }, { force: true }))).toBe(
    `Error: ${PATH} is no file, and is left alone: remove it`,
  );
  expect(said(plan({ config: "no-file" }))).toBe(
    "Error: /etc/agent.yml is no file that a service could read",
  );
});

test("a name that no file can have is refused", () => {
  const outcome = (config: string) => {
    const lines: string[] = [];
    const say = (line: string) => void lines.push(line);
    installServiceCommand({
      config,
      // Every Debian has it.
      user: "daemon",
      witness: false,
      print: false,
      dryRun: true,
      force: false,
      program: ["/usr/bin/agent"],
      write: say,
      writeError: say,
    });
    return lines.join("\n");
  };
  // ENAMETOOLONG, ENOTDIR
  for (const config of [`/${"x".repeat(300)}`, "/etc/passwd/x"]) {
    expect(outcome(config)).toBe(`Error: ${config} is no file that a service could read`);
  }
});

test("a unit of another configuration is one that both may need", () => {
  const present = { kind: "file", text: unitText({ ...WISH, config: "/etc/other.yml" }) } as const;
  expect(said(plan({ present }))).toContain("a unit of another name");
  expect(said(plan({ present: { kind: "file", text: `${TEXT}#` } }))).not.toContain("another name");
});

test("the package's unit will do where it is the same, and is overridden where it is not", () => {
  const packaged = { path: "/usr/lib/systemd/system/agent.service", text: TEXT };
  expect(plan({ packaged }).kind).toBe("done-already");
  const other = plan({ packaged }, { user: "pg" });
  expect(other.kind).toBe("write");
  expect(said(other)).toContain("takes the place of the package's");
});

test("where it cannot be done, it says what to do", () => {
  expect(said(plan({ systemdRuns: false }))).toContain("agent install-service --print");
  expect(said(plan({ isRoot: false }))).toContain("sudo");
  expect(said(plan({ userExists: false }))).toContain("--user");
  expect(said(plan({ userExists: false }, UNIT_DEFAULTS.witness))).toContain("useradd --system");
  expect(said(plan({}, { user: "pg" }))).toContain("/run/postgresql belongs to postgres");
  expect(said(plan({}))).not.toContain("/run/postgresql belongs");
  expect(said(plan({ config: "nothing" }))).toContain("/etc/agent.yml does not exist yet");
  expect(plan({}, { user: "root" })).toMatchObject({ kind: "refused", code: 2 });
});

test("--dry-run needs neither root nor systemd", () => {
  expect(plan({ isRoot: false, systemdRuns: false }, { dryRun: true }).kind).toBe("write");
});

test("--print gives the unit for these options, and nothing else", () => {
  const out: string[] = [];
  const err: string[] = [];
  const command = (user: string, program = ["/opt/agent"]) =>
    installServiceCommand({
      config: "/etc/x.yml",
      user,
      witness: false,
      print: true,
      dryRun: false,
      force: false,
      program,
      write: (line) => out.push(line),
      writeError: (line) => err.push(line),
    });
  expect(command("pg")).toBe(0);
  expect(`${out.join("\n")}\n`).toBe(
    unitText({ witness: false, program: "/opt/agent", config: "/etc/x.yml", user: "pg" }),
  );
  expect(command("not a user")).toBe(2);
  expect(command("pg", ["bun", "cli/main.ts"])).toBe(1);
  expect(out).toHaveLength(1);
  expect(err).toHaveLength(2);
});
