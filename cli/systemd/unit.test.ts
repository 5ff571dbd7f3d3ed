/** The unit files: what they say for other options, and that systemd knows each line of them. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { optionsProblem, UNIT_DEFAULTS, unitName, unitText } from "./unit.ts";

const { member, witness } = UNIT_DEFAULTS;

test("docs/systemd holds the units that the program installs", () => {
  for (const unit of [member, witness]) {
    const file = join(import.meta.dir, "../../docs/systemd", unitName(unit.witness));
    expect(readFileSync(file, "utf8")).toBe(unitText(unit));
  }
});

test("only the agent of a member is stopped, and killed when it hangs", () => {
  const text = unitText(member);
  for (const line of ["Type=notify", "KillMode=process", "WatchdogSignal=SIGKILL", "OOMPolicy=continue"]) {
    expect(text).toContain(`\n${line}\n`);
  }
  expect(unitText(witness)).not.toContain("KillMode");
});

test("paths are written as systemd reads them", () => {
  const text = unitText({ ...member, program: "/opt/100%/agent", config: '/etc/a b/$x"\\%h.yml' });
  expect(text).toContain(`ExecStart=/opt/100%%/agent run "/etc/a b/$$x\\"\\\\%%h.yml"\n`);
  expect(text).toContain('AssertPathExists=/etc/a b/$x"\\%%h.yml\n');
  expect(unitText({ ...witness, user: "pg-voter" })).toContain("\nUser=pg-voter\n");
});

test("only the user postgres gets the directory of all servers of the host", () => {
  expect(unitText(member)).toContain("\nRuntimeDirectory=postgresql\nRuntimeDirectoryMode=2775\n");
  const other = unitText({ ...member, user: "pg" });
  expect(other).not.toContain("RuntimeDirectory=postgresql");
  expect(other).toContain("\nRuntimeDirectory=agent\nRuntimeDirectoryPreserve=yes\n");
});

test("what would break the unit, or add a line to it, is refused", () => {
  expect(optionsProblem(member)).toBeNull();
  const wrong = [
    { config: "relative.yml" },
    { config: "/etc/x.yml\nUser=root" },
    { program: "/my programs/agent" },
    { program: "agent" },
    { program: "/opt/$x/agent" },
    { program: "/proc/self/exe" },
    { config: "/etc/x\\" },
    { config: "/etc/x " },
    { user: "a b" },
    { user: "x\nGroup=root" },
    { user: "" },
    { user: "root" },
  ];
  for (const part of wrong) expect(optionsProblem({ ...member, ...part })).not.toBeNull();
});

/** What systemd says of it; the program of the unit need not exist. */
function judged(text: string): string {
  const directory = mkdtempSync(join(tmpdir(), "agent-unit-"));
  try {
    const file = join(directory, "agent.service");
    writeFileSync(file, text.replace(member.program, "/bin/true"));
    const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", file], { encoding: "utf8" });
    return `${status}: ${stdout}${stderr}`;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

test.skipIf(Bun.which("systemd-analyze") === null)("systemd knows each line of the units", () => {
  for (const unit of [member, witness]) {
    // With the lines for the watchdog that are to be uncommented.
    const text = unitText(unit).replace(/^#(?=Exec)/gm, "");
    expect(judged(text)).toBe("0: ");
    expect(judged(text.replace("RestartSec", "RestartSecond"))).toContain("Unknown key");
  }
});
