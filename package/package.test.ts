/** The files of the Debian packages, but for the program in them. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { UNIT_DEFAULTS, unitText } from "../cli/systemd/unit.ts";

function run(command: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  return { status, stdout, stderr };
}

test("units, man pages and completions are those of the program, with the package's path", () => {
  const root = mkdtempSync(join(tmpdir(), "agent-package-"));
  try {
    const { status, stdout } = run(process.execPath, join(import.meta.dir, "write_files.ts"), root);
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
    const read = (path: string) => readFileSync(join(root, path));
    expect(read("usr/lib/systemd/system/agent.service").toString()).toBe(
      unitText({ ...UNIT_DEFAULTS.member, program: "/usr/bin/agent" }),
    );
    expect(read("usr/lib/systemd/system/agent-witness.service").toString()).toContain(
      " witness /etc/agent.yml\n",
    );
    expect(readdirSync(join(root, "usr/share/man/man1")).sort()).toEqual(["agent-ctl.1.gz", "agent.1.gz"]);
    const page = gunzipSync(read("usr/share/man/man1/agent.1.gz")).toString();
    expect(page).toBe(readFileSync(join(import.meta.dir, "../docs/man/agent.1"), "utf8"));
    expect(read("usr/share/bash-completion/completions/agent").toString()).toContain("install-service");
    expect(read("usr/share/zsh/vendor-completions/_agent").toString()).toStartWith("#compdef");
    expect(read("usr/share/fish/vendor_completions.d/agent.fish").toString()).toContain("complete -c agent");
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test("of the two builds for amd64 one takes the place of the other", () => {
  const script = join(import.meta.dir, "control.sh");
  const agent = run("sh", script, "agent", "1.2.3", "arm64", "100").stdout;
  expect(agent).toMatch(/^Package: agent\nVersion: 1\.2\.3\nArchitecture: arm64\n/);
  expect(agent).toContain("\nConflicts: agent-baseline\nReplaces: agent-baseline\nDescription: ");
  expect(agent).not.toContain("AVX2");
  const old = run("sh", script, "agent-baseline", "1.2.3", "amd64", "100").stdout;
  expect(old).toContain("\nProvides: agent (= 1.2.3)\nConflicts: agent\nReplaces: agent\nDescription: ");
  expect(old).toContain("AVX2");
});

test("a target without a runtime is refused, before anything is fetched", () => {
  const { status, stderr } = run("sh", join(import.meta.dir, "runtime.sh"), "linux-riscv64");
  expect(status).toBe(1);
  expect(stderr).toBe(
    "error: unknown target 'linux-riscv64': linux-x64, linux-x64-baseline or linux-arm64\n",
  );
});

test("a script asked for its usage, or for an option that it does not have, builds nothing", () => {
  const root = join(import.meta.dir, "..");
  for (const name of ["compile.sh", "package.sh", "test/package/run.sh", "test/watchdog/run.sh"]) {
    const script = join(root, name);
    const usage = run("bash", script, "--help");
    expect({ name, status: usage.status, stderr: usage.stderr }).toEqual({ name, status: 0, stderr: "" });
    expect(usage.stdout).toMatch(new RegExp(`^usage: (\\./)?${name} `));
    const { status, stderr } = run("bash", script, "--fast");
    expect({ status, stderr }).toEqual({ status: 2, stderr: "error: unknown option --fast (see --help)\n" });
  }
});

test("the checksum of each runtime is known for the release of Bun that builds here", () => {
  const root = join(import.meta.dir, "..");
  const { version } = JSON.parse(readFileSync(join(root, "node_modules/bun/package.json"), "utf8"));
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const listed = readFileSync(join(import.meta.dir, "runtimes.txt"), "utf8");
  for (const name of ["bun-linux-x64", "bun-linux-aarch64", "bun-linux-x64-baseline"]) {
    const locked = packages[`node_modules/@oven/${name}`];
    const known = locked?.version === version || listed.includes(`@oven/${name} ${version} sha512-`);
    expect({ name, known }).toEqual({ name, known: true });
  }
});

test("the scripts of the package are scripts", () => {
  for (const name of ["postinst", "prerm", "postrm"]) {
    expect(run("sh", "-n", join(import.meta.dir, "scripts", name))).toEqual({
      status: 0,
      stdout: "",
      stderr: "",
    });
  }
});
